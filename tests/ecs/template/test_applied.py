"""The template as a stack: moto creates what it says, and the workers' role is sufficient."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.sandbox.aws.iam import policy
from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.iam import scenario
from tests.ecs.iam.scenario import Scenario
from tests.ecs.template.parameters import WHOLE
from tests.ecs.template.resolved import FILE, Json, Stack
from tests.ecs.workloads import builders
from tests.sandbox.aws.conftest import connected

pytestmark = pytest.mark.full

STACK = "machinist"
UNRESOLVABLE = "W1030"
"""cfn-lint takes an optional parameter as empty even where a condition says that it is not."""


class Created:
    """A stack that CloudFormation has created in the stand-in's account."""

    def __init__(self, aws: AwsSandbox) -> None:
        scenario.populate(aws)
        aws.add_cluster("machinist")
        public, internal = aws.listener_arn, aws.add_listener("internal")
        aws.listener_arn = public  # of the workers
        own = {
            "VpcId": aws.vpc,
            "Subnets": ",".join(aws.subnets),
            "WorkerSecurityGroups": aws.security_group,
            "GatewaySecurityGroups": aws.security_group,
            "WorkloadExecutionRoleArn": builders.ROLE,
            "WorkloadTaskRoleArn": scenario.TASK_ROLE,
            "WorkloadListenerArn": public,
            "WorkloadNamespaceId": aws.namespace_id,
            "GatewayListenerArn": internal,
        }
        self.aws = aws
        self.parameters = WHOLE | {name: str(value) for name, value in own.items()}
        listed = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in self.parameters.items()
        ]
        connected(aws, "cloudformation").create_stack(
            StackName=STACK,
            TemplateBody=FILE.read_text(),
            Parameters=listed,
            Capabilities=["CAPABILITY_IAM"],
        )

    def id_of(self, logical: str) -> str:
        """Return the id of a resource in the account by its name in the template."""
        answer = connected(self.aws, "cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def task(self, name: str) -> Json:
        answer = connected(self.aws, "ecs").describe_task_definition(
            taskDefinition=f"{STACK}-{name}"
        )
        task: Json = answer["taskDefinition"]
        return task

    def statements(self, logical: str) -> list[Json]:
        """Return the statements of all policies of a role."""
        iam, role = connected(self.aws, "iam"), self.id_of(logical)
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = [iam.get_role_policy(RoleName=role, PolicyName=name) for name in names]
        return [each for answer in found for each in answer["PolicyDocument"]["Statement"]]


@pytest.fixture
def created(account: AwsSandbox) -> Iterator[Created]:
    yield Created(account)
    account.reset()


@pytest.mark.parametrize("name", ["worker", "gateway"])
def test_a_task_has_the_containers_of_the_template(created: Created, name: str) -> None:
    expected = Stack(created.parameters).resources[f"{name.title()}Task"]["Properties"]
    found = {each["name"]: each for each in created.task(name)["containerDefinitions"]}

    for container in expected["ContainerDefinitions"]:
        made = found[container["Name"]]
        assert made["entryPoint"] == container["EntryPoint"]
        assert made["user"] == container["User"]
        assert made["readonlyRootFilesystem"] is True
        assert pairs(made, "secrets") == pairs(container, "Secrets")
        assert pairs(made, "environment") == pairs(container, "Environment")
    assert found.keys() == {each["Name"] for each in expected["ContainerDefinitions"]}


def pairs(container: Json, key: str) -> set[tuple[str, ...]]:
    """Return names and values; moto leaves a null for AWS::NoValue in a list."""
    return {tuple(map(str, each.values())) for each in container.get(key, []) if each}


def test_every_resource_of_the_template_exists(created: Created) -> None:
    """moto ignores roles and networks of tasks, and attributes of target groups."""
    account = created.aws.account
    expected = Stack(created.parameters)
    ids = {name: created.id_of(name) for name in expected.resources}

    services = {each.arn: each.desired_count for each in account.ecs.services.values()}
    assert services == {ids["WorkerService"]: 2, ids["GatewayService"]: 2}
    group = account.balancing.target_groups[ids["GatewayTargets"]]
    assert (str(group.port), group.health_check_port) == ("3042", "9090")
    assert group.health_check_path == "/ready"
    balancing = connected(created.aws, "elbv2")
    [rule] = balancing.describe_rules(RuleArns=[ids["GatewayRule"]])["Rules"]
    assert rule["Actions"][0]["TargetGroupArn"] == group.arn
    groups = connected(created.aws, "logs").describe_log_groups()["logGroups"]
    assert {each["logGroupName"] for each in groups} == {ids["WorkerLogs"], ids["GatewayLogs"]}
    assert {each["retentionInDays"] for each in groups} == {30}


async def test_the_role_of_the_workers_is_sufficient_and_has_no_other_right(
    created: Created,
) -> None:
    statements = created.statements("WorkerRole")
    whole = policy.read({"Version": policy.VERSION, "Statement": statements})
    created.aws.guard.policy = whole
    account = created.aws.account
    role = created.id_of("WorkerRole")
    account.worker_role = f"arn:aws:iam::{account.number}:role/{role}"

    async with scenario.worker(created.aws) as provider:
        ended = Scenario(created.aws, provider)
        await ended.run()

    assert (ended.reports, created.aws.denials) == ([], [])
    checks = list(created.aws.guard.checks)
    for right in whole.rights:
        less = whole.without(right)
        assert not all(less.allows(check) for check in checks), str(right)


def test_cfn_lint_finds_no_mistake() -> None:
    """It knows the schemas of CloudFormation, IAM's actions and the resources of actions."""
    program = "from cfnlint.runner import main; main()"
    options = ["--format", "json", "--include-checks", "I", "--template", str(FILE)]
    done = subprocess.run(
        [sys.executable, "-c", program, *options], capture_output=True, text=True, check=False
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)

    assert [each for each in found if each["Rule"]["Id"] != UNRESOLVABLE] == []
