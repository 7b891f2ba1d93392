"""The shipped IAM policy allows what the operations need, and nothing else.

The suites of ECS run with it: `aws` in tests/ecs/conftest.py fails for a request that it denies.
"""

import ast
import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.operation import Operation
from deploy.sandbox.aws.iam import guard, policy
from deploy.sandbox.aws.iam.policy import Check, Policy, listed
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.iam import scenario
from tests.ecs.iam.scenario import Scenario
from tests.ecs.workloads.builders import CLUSTER, ROLE
from tests.workloads import specification
from worker.dispatch import methods
from worker.providers import ecs
from worker.providers.ecs.aws.client import SERVICES
from worker.providers.ecs.iam import rights
from worker.providers.ecs.provider import EcsProvider

IMPLIED = {
    # AWS checks these for requests of other actions:
    "iam:PassRole",  # ecs:RegisterTaskDefinition with a role
    "route53:ChangeResourceRecordSets",  # servicediscovery:DeregisterInstance
    "route53:DeleteHealthCheck",
    "route53:GetHealthCheck",
    "route53:UpdateHealthCheck",
}
NEEDS_NO_RIGHT = {"sts:GetCallerIdentity"}
UNLIMITED = {
    # Actions without resource types:
    "tag:GetResources",
    "ecs:ListServices",  # limited by ecs:cluster
    "ecs:ListTasks",  # limited by ecs:cluster
    "ecs:ListTaskDefinitions",
    "ecs:DescribeTaskDefinition",
    "ecs:DeregisterTaskDefinition",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "servicediscovery:ListServices",
    # An absent secret has no ARN, and the provider asks whether a secret exists:
    "secretsmanager:DescribeSecret",
}
"""Actions on all resources. Source: the Service Authorization Reference."""
MANAGED_POLICY_LIMIT = 6144
"""The size limit of a managed policy in characters, without whitespace."""

LONGEST = {
    "AWS::Partition": "aws",
    "AWS::Region": "ap-southeast-2",
    "AWS::AccountId": "123456789012",
    "WorkloadCluster": "c" * 40,
    "WorkloadExecutionRoleArn": f"arn:aws:iam::123456789012:role/{'r' * 64}",
    "WorkloadTaskRoleArn": f"arn:aws:iam::123456789012:role/{'t' * 64}",
    "Listener": f"app/{'n' * 32}/{'0' * 16}/{'0' * 16}",
    "WorkloadNamespaceId": f"ns-{'0' * 16}",
    "WorkerRoleArn": f"arn:aws:iam::123456789012:role/{'w' * 64}",
}
FILLED = policy.filled(policy.load(guard.SHIPPED), LONGEST)
RIGHTS = policy.read(FILLED).rights

ARN = "arn:aws:{}:eu-central-1:123456789012:{}"


class Complete(NamedTuple):
    """A run of the scenario with the complete policy."""

    policy: Policy
    scenario: Scenario
    checks: list[Check]
    denials: list[str]


@pytest.fixture(scope="module")
def complete(account: AwsSandbox) -> Complete:
    scenario.populate(account)
    allowing = account.guard.policy = scenario.shipped(account)
    ended = asyncio.run(run(account))
    return Complete(allowing, ended, list(account.guard.checks), account.denials)


async def run(aws: AwsSandbox) -> Scenario:
    async with scenario.worker(aws) as provider:
        ended = Scenario(aws, provider)
        await ended.run()
    return ended


def statements() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy.load(guard.SHIPPED)["Statement"]
    return found


def allowed() -> set[str]:
    return {action for each in statements() for action in listed(each["Action"])}


def used() -> Iterator[str]:
    """The actions of all requests in the provider's sources."""
    for file in Path(ecs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="ask" | "pages"), args=[action, *_]):
                    assert isinstance(action, ast.Constant), f"{file.name}:{node.lineno}"
                    yield str(action.value)


def test_every_supported_operation_is_tried(complete: Complete) -> None:
    assert complete.scenario.tried == methods(EcsProvider.__new__(EcsProvider)).keys()


def test_the_policy_allows_every_operation(complete: Complete) -> None:
    assert complete.scenario.reports == []
    assert complete.denials == []


def test_every_right_of_the_policy_is_needed(complete: Complete) -> None:
    superfluous = []
    for right in complete.policy.rights:
        less = complete.policy.without(right)
        if all(less.allows(check) for check in complete.checks):
            superfluous.append(str(right))

    assert superfluous == []


@pytest.mark.full
@pytest.mark.parametrize("number", range(len(RIGHTS)), ids=[str(each) for each in RIGHTS])
def test_a_missing_right_is_named_in_a_fault_an_answer_or_the_log(
    account: AwsSandbox, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    scenario.populate(account)
    whole = scenario.shipped(account)
    account.guard.policy = whole.without(whole.rights[number])

    ended = asyncio.run(run(account))

    action = RIGHTS[number].action
    assert action in "".join(ended.reports) or f"lacks {action}" in caplog.text
    account.reset()


def test_the_policy_allows_exactly_the_actions_in_the_providers_sources() -> None:
    assert sorted(allowed()) == sorted(set(used()) - NEEDS_NO_RIGHT | IMPLIED)


def test_doctor_checks_exactly_the_rights_of_the_policy() -> None:
    checked: dict[str, set[str]] = {}
    for right in rights.RIGHTS:
        checked.setdefault(right.statement, set()).update(right.actions)
    of_policy = {each["Sid"]: set(listed(each["Action"])) for each in statements()}
    own = of_policy.pop(rights.OWN)

    assert checked == of_policy
    assert own == {"iam:GetRole", "iam:SimulatePrincipalPolicy"}


def test_doctor_knows_the_condition_keys_of_the_policy() -> None:
    keys = {key for each in RIGHTS for key in [condition.key for condition in each.conditions]}

    assert keys == rights.CONTEXT.keys() - {"aws:RequestedRegion"}


def test_every_action_exists() -> None:
    session = botocore.session.get_session()
    operations = {
        prefix: set(session.get_service_model(service).operation_names)
        for prefix, service in (SERVICES | {"route53": "route53"}).items()
    }
    named = [action.split(":") for action in allowed() - {"iam:PassRole"}]

    assert [name for prefix, name in named if name not in operations[prefix]] == []


def test_the_policy_is_least_privilege() -> None:
    """Only actions that cannot be limited are allowed on all resources."""
    for each in statements():
        assert each["Effect"] == "Allow"
        assert each.keys() <= policy.KNOWN
        if "*" in listed(each["Resource"]):
            assert set(listed(each["Action"])) <= UNLIMITED, each["Sid"]
    assert not [action for action in allowed() if "*" in action]
    assert not allowed() & {"secretsmanager:GetSecretValue", "ecs:ExecuteCommand", "ecs:RunTask"}


def test_the_filled_policy_fits_a_managed_policy() -> None:
    text = json.dumps(FILLED, separators=(",", ":"))

    assert len(text) < MANAGED_POLICY_LIMIT


DENIED = [
    Check("ecs:ListTasks", keys={"ecs:cluster": (ARN.format("ecs", "cluster/other"),)}),
    Check("ecs:ListTasks"),
    Check("ecs:UpdateService", ARN.format("ecs", "service/other/web")),
    Check("ecs:UpdateService", ARN.format("ecs", f"service/{CLUSTER}-2/web")),
    Check("ecs:UntagResource", ARN.format("ecs", "task/other/0123")),
    Check("ecs:TagResource", ARN.format("ecs", "task-definition/web:1")),
    Check("ecs:RegisterTaskDefinition", ARN.format("ecs", "task-definition/web:*")),
    Check("ecs:DeleteCluster", ARN.format("ecs", f"cluster/{CLUSTER}")),
    Check("iam:PassRole", ROLE, {"iam:PassedToService": ("lambda.amazonaws.com",)}),
    Check("iam:PassRole", ROLE),
    Check("iam:PassRole", f"{ROLE}-2", {"iam:PassedToService": ("ecs-tasks.amazonaws.com",)}),
    Check("secretsmanager:PutSecretValue", ARN.format("secretsmanager", "secret:database-AbCdEf")),
    Check("secretsmanager:DeleteSecret", ARN.format("secretsmanager", "secret:a-pull-key-AbCdEf")),
    Check(
        "secretsmanager:CreateSecret",
        ARN.format("secretsmanager", "secret:database-AbCdEf"),
        {"secretsmanager:Name": ("database",)},
    ),
    Check(
        "elasticloadbalancing:DeleteRule",
        ARN.format("elasticloadbalancing", "listener-rule/app/other/0/1/2"),
    ),
    Check(
        "elasticloadbalancing:DeleteTargetGroup",
        ARN.format("elasticloadbalancing", "targetgroup/other/0"),
        {"aws:ResourceTag/plt.dev/managed-by": ("someone",)},
    ),
    Check(
        "elasticloadbalancing:AddTags", ARN.format("elasticloadbalancing", "targetgroup/other/0")
    ),
    Check(
        "elasticloadbalancing:DeleteLoadBalancer",
        ARN.format("elasticloadbalancing", "loadbalancer/app/public/0"),
    ),
    Check(
        "servicediscovery:CreateService", ARN.format("servicediscovery", "namespace/ns-elsewhere")
    ),
    Check(
        "route53:ChangeResourceRecordSets",
        "arn:aws:route53:::hostedzone/Z0",
        {"route53:ChangeResourceRecordSetsRecordTypes": ("A", "MX")},
    ),
]


@pytest.mark.parametrize("check", DENIED, ids=str)
def test_rights_outside_the_scope_of_a_worker_are_denied(complete: Complete, check: Check) -> None:
    assert not complete.policy.allows(check)


async def test_another_cluster_is_forbidden(aws: AwsSandbox) -> None:
    scenario.populate(aws)
    aws.add_service("web", "other")
    aws.guard.policy = scenario.shipped(aws)
    operations: list[Operation[Any]] = [
        api.GetMachines("other"),
        api.GetControllers("other"),
        api.UpdateControllerReplicas("other", "web", 2),
        api.DeleteController("other", "web"),
        api.ApplyWorkload("other", specification()),
    ]

    codes = []
    async with scenario.worker(aws) as provider:
        for operation in operations:
            with pytest.raises(Fault) as raised:
                await methods(provider)[operation.row.name](operation, ample())
            codes.append(raised.value.code)

    assert set(codes) == {Code.PLATFORM_FORBIDDEN}
    assert aws.service("web", "other")["desiredCount"] == 1
    aws.guard.denials.clear()
