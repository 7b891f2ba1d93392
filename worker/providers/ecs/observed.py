"""What a command found and left, for its outcome: out of AWS's answers; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from contracts.resources import Object
from worker.observations import conforms, images, pair, plain
from worker.providers.ecs import names, ownership, translate
from worker.providers.ecs.names import OwnTagKey, TagValue
from worker.providers.ecs.objects import Service, Task
from worker.providers.ecs.route_plan import unescaped
from worker.providers.ecs.rules import HEADER, HOST, QUERY, SERVICE, Condition, RuleSpec
from worker.providers.ecs.workload import Wanted

ABSENT: Object = {"exists": False}
UNKNOWN: Object = {}
UNCHANGED: Object = {"changed": False}
KINDS = {HEADER: "header", QUERY: "queryParam"}


def scaling(found: Service) -> tuple[Object, Object]:
    """Before and after of a scaling, whose answer does not tell how many were wanted before."""
    running: Object = {"running": found.running_count}
    return running, {"replicas": found.desired_count} | running


def task_labels(task: Task, changes: Mapping[str, str | None]) -> Object:
    """The labels that a command names, as the tags of a task have them."""
    tags = translate.labels(task.tags)
    return {"labels": {key: tags.get(key) for key in changes}}


def changed_labels(before: Object, changes: Mapping[str, str | None]) -> Object:
    """The labels that a command names, once changes were made."""
    return {"labels": before["labels"] | dict(changes)}


def service(found: Service, images_found: list[str] | None = None) -> Object:
    """A service; of the tags those that others gave it."""
    known: Object = {} if images_found is None else {"images": images(images_found)}
    return {
        "replicas": found.desired_count,
        "running": found.running_count,
        **known,
        "labels": _labels(translate.labels(found.tags)),
        "taskDefinition": names.last(found.task_definition),
    }


def workload(
    former: Service | None,
    former_images: list[str] | None,
    found: Service,
    wanted: Wanted,
    task_definition: str,
    removed: Collection[str],
) -> tuple[Object, Object]:
    """Before and after of a workload; `found` may be an answer that has no tags."""
    before = ABSENT if former is None else service(former, former_images)
    tags = (translate.labels(former.tags) if former else {}) | wanted.tags
    tags = {key: value for key, value in tags.items() if key not in removed}
    ports = wanted.workload.ports
    after: Object = {
        "replicas": found.desired_count,
        "running": found.running_count,
        "images": images([wanted.workload.image]),
        "labels": _labels(tags),
        "ports": [f"{port}/TCP" for port in (ports.app, ports.metrics)],
        "taskDefinition": names.last(task_definition),
    }
    return before, after


def routes(found: Iterable[RuleSpec]) -> Object:
    """The rules of an application that requests can meet, in their order."""
    rules = [rule for rule in found if not rule.is_placeholder]
    hosts = (each.value for rule in rules for each in rule.conditions if each.field == HOST)
    versions = (rule.tags.get(ownership.VERSION, "") for rule in rules)
    return {
        "hostnames": _distinct(hosts),
        "rules": [plain(f"{_match(rule.conditions)}: {_backend(rule)}") for rule in rules],
        "backends": _distinct(_backend(rule) for rule in rules),
        "versions": _distinct(versions),
    }


def _match(conditions: Sequence[Condition]) -> str:
    """`header x-version=v6`."""
    return " and ".join(_said(each) for each in conditions if each.field != HOST) or "default"


def _said(condition: Condition) -> str:
    kind = KINDS.get(condition.field)
    if kind is None:
        return "another condition"
    return f"{kind} {pair(condition.name, unescaped(condition.value))}"


def _backend(rule: RuleSpec) -> str:
    """The service as the plan named it, else the name of the target group."""
    _, _, group = rule.target.partition(":targetgroup/")
    return rule.tags.get(SERVICE) or group.partition("/")[0]


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(map(plain, texts)) if text]


def _labels(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in tags.items()
        if conforms(key, OwnTagKey) and conforms(value, TagValue)
    }
