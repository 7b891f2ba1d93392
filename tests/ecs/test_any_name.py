"""Names, scopes and labels reach AWS only if they are valid there."""

import re
import string
from collections.abc import Awaitable, Callable
from typing import Any
from unicodedata import category

from hypothesis import given, settings
from hypothesis import strategies as some

from contracts import api
from contracts.faults import Code, Fault
from tests.calls import ample
from tests.ecs.aws.scripted import Request, Response, Scripted, answer
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

ARN = r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}"
NAME = r"[A-Za-z0-9_-]{1,255}"
CLUSTER = rf"({ARN}:cluster/)?{NAME}"
TASK = r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SPACES = "".join(chr(code) for code in range(0x3001) if category(chr(code)) == "Zs")
ANY_TAG_KEY = rf"[\w{SPACES}.:/=+@-]{{1,128}}"
TAG_KEY = rf"(?![aA][wW][sS]:){ANY_TAG_KEY}"
TAG_VALUE = rf"[\w{SPACES}.:/=+@-]{{0,256}}"
HEX = "0123456789abcdef" * 2
TASK_ARN = f"arn:aws:ecs:eu-central-1:123456789012:task/shop/{HEX}"

pieces = some.sampled_from(
    ["arn:aws:ecs:eu-central-1:123456789012:", "cluster/", "service/", "task/", "shop", "/", "..",
     "aws:", HEX, "%2F", "\x00", "\n", " ", "ä", "*", ",", "=", "-", "_", "web.1"]
)  # fmt: skip
names = some.one_of(
    some.text(max_size=40),
    some.text(string.ascii_letters + string.digits + "-_.:/", max_size=300),
    some.lists(pieces, max_size=6).map("".join),
)
values = some.one_of(names, some.none())


def are(rule: str) -> Callable[[list[str]], bool]:
    return lambda values: all(re.fullmatch(rule, value) for value in values)


def pairs(key: str, value: str, rule: str = TAG_KEY) -> Callable[[list[dict[str, Any]]], bool]:
    """Return a check of tags whose members have these names."""
    return lambda tags: all(
        re.fullmatch(rule, tag[key]) and re.fullmatch(TAG_VALUE, "".join(tag[value]))
        for tag in tags
    )


def is_number(value: object) -> bool:
    return isinstance(value, int)


RULES: dict[str, Callable[[Any], bool]] = {
    "cluster": lambda value: are(CLUSTER)([value]),
    "service": lambda value: are(NAME)([value]),
    "serviceName": lambda value: are(NAME)([value]),
    "services": are(NAME),
    "tasks": are(TASK),
    "tags": pairs("key", "value"),
    "tagKeys": are(TAG_KEY),
    "TagFilters": pairs("Key", "Values", ANY_TAG_KEY),
    "resourceArn": lambda value: value == TASK_ARN,
    "ResourceTypeFilters": are("ecs:(task|service)"),
    "include": are("TAGS"),
    "desiredCount": is_number,
    "force": is_number,
    "SecretId": lambda value: are(r"[A-Za-z0-9/_+=.@-]{1,512}")([value]),
    "ForceDeleteWithoutRecovery": is_number,
    "maxResults": is_number,
    "ResourcesPerPage": is_number,
}
"""The documented rules of AWS by parameter."""

Attempt = Callable[[EcsProvider, str, str, dict[str, str]], Awaitable[Any]]

ATTEMPTS: list[Attempt] = [
    lambda p, scope, name, labels: p.get_machine(api.GetMachine(scope, name), now()),
    lambda p, scope, name, labels: p.get_machines(api.GetMachines(scope, labels), now()),
    lambda p, scope, name, labels: p.set_machine_labels(
        api.SetMachineLabels(scope, name, {**labels, **dict.fromkeys(labels.values())}), now()
    ),
    lambda p, scope, name, labels: p.set_machine_labels(
        api.SetMachineLabels(scope, HEX, {**labels, **dict.fromkeys(labels.values())}), now()
    ),
    lambda p, scope, name, labels: p.get_controllers(api.GetControllers(scope), now()),
    lambda p, scope, name, labels: p.get_controllers(api.GetControllers(scope, name), now()),
    lambda p, scope, name, labels: p.get_controller(api.GetController(scope, name), now()),
    lambda p, scope, name, labels: p.update_controller_replicas(
        api.UpdateControllerReplicas(scope, name, 1), now()
    ),
    lambda p, scope, name, labels: p.delete_controller(api.DeleteController(scope, name), now()),
    lambda p, scope, name, labels: p.get_services_by_labels(
        api.GetServicesByLabels(scope, labels), now()
    ),
    lambda p, scope, name, labels: p.delete_service(api.DeleteService(scope, name), now()),
]


def now() -> Call:
    return ample()


@given(
    scope=some.one_of(some.just("shop"), names),
    name=names,
    labels=some.dictionaries(names, names, max_size=3),
    attempt=some.sampled_from(ATTEMPTS),
)
@settings(max_examples=400, deadline=None)
async def test_no_unvalidated_name_scope_or_label_reaches_aws(scope, name, labels, attempt):
    aws = Scripted(anything)

    async with aws.client() as client:
        code = await code_of(attempt(EcsProvider(client), scope, name, labels))

    assert code in {None, Code.INVALID, Code.NOT_FOUND, Code.CONFLICT}
    for request in aws.requests:
        for key, value in request.parameters.items():
            assert RULES[key](value), f"{request.action} was sent with {key} {value!r}"


async def code_of(attempt: Awaitable[Any]) -> Code | None:
    try:
        await attempt
    except Fault as fault:
        return fault.code
    return None


def anything(request: Request) -> Response:
    """Answer as if each resource existed."""
    service = {"serviceArn": "a", "serviceName": "web", "status": "ACTIVE"}
    match request.action:
        case "DescribeTasks":
            task = {"taskArn": TASK_ARN, "lastStatus": "RUNNING", "group": "service:web"}
            return answer({"tasks": [task]})
        case "ListTasks":
            return answer({"taskArns": [TASK_ARN]})
        case "ListServices":
            return answer({"serviceArns": ["arn:aws:ecs:eu-central-1:123456789012:service/web"]})
        case "DescribeServices":
            return answer({"services": [service]})
        case "UpdateService" | "DeleteService":
            return answer({"service": service})
        case "GetResources":
            return answer({"ResourceTagMappingList": [{"ResourceARN": TASK_ARN}]})
        case _:
            return answer({})
