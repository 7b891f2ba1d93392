"""The policy of workers: what it allows, and the errors for everything else."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.sandbox.aws.iam import policy
from deploy.sandbox.aws.iam.policy import Check
from deploy.sandbox.aws.server import WORKER_KEY, AwsSandbox
from tests.sandbox.aws.conftest import connected

SERVICE = "arn:aws:ecs:eu-central-1:123456789012:service/shop/web"
CLUSTER = "arn:aws:ecs:eu-central-1:123456789012:cluster/shop"


def document(**statement: Any) -> policy.Json:
    given = {"Effect": "Allow", "Action": "ecs:UpdateService", "Resource": SERVICE}
    return {"Version": policy.VERSION, "Statement": [given | statement]}


def allows(check: Check, **statement: Any) -> bool:
    return policy.read(document(**statement)).allows(check)


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        (SERVICE, True),
        ("*", True),
        (SERVICE.replace("shop", "sh?p"), True),
        (SERVICE.replace("shop/web", "shop/*"), True),
        ([f"{SERVICE}-2", SERVICE], True),
        (SERVICE.replace("shop", "shop?"), False),
        (SERVICE.replace("web", "[w]eb"), False),
        (f"{SERVICE}-2", False),
    ],
)
def test_resources_match_with_wildcards(resource: Any, allowed: bool) -> None:
    assert allows(Check("ecs:UpdateService", SERVICE), Resource=resource) is allowed


def test_an_action_without_resource_types_needs_all_resources() -> None:
    check = Check("tag:GetResources")

    assert allows(check, Action="tag:GetResources", Resource="*")
    assert not allows(check, Action="tag:GetResources", Resource="arn:aws:ecs:*:*:service/*")


@pytest.mark.parametrize(
    ("operator", "expected", "values", "holds"),
    [
        ("ArnLike", CLUSTER.replace("shop", "s*"), (CLUSTER,), True),
        ("ArnEquals", CLUSTER.replace("shop", "s*"), (CLUSTER,), False),
        ("StringLike", "*/shop", (CLUSTER,), True),
        ("StringEquals", [CLUSTER, "x"], (CLUSTER,), True),
        ("StringEquals", CLUSTER, (), False),
        ("ForAllValues:StringEquals", ["A", "AAAA"], ("A",), True),
        ("ForAllValues:StringEquals", ["A"], ("A", "MX"), False),
        ("ForAllValues:StringEquals", ["A"], (), True),
    ],
)
def test_conditions_compare_the_keys_of_a_request(
    operator: str, expected: Any, values: tuple[str, ...], holds: bool
) -> None:
    check = Check("ecs:UpdateService", SERVICE, {"key": values} if values else {})

    assert allows(check, Condition={operator: {"key": expected}}) is holds


@pytest.mark.parametrize(
    "wrong",
    [
        document(Effect="Deny"),
        document(NotAction="ecs:DeleteService"),
        document(Condition={"Null": {"key": "true"}}),
        document() | {"Version": "2008-10-17"},
    ],
)
def test_a_policy_that_is_not_understood_is_an_error(wrong: policy.Json) -> None:
    with pytest.raises(ValueError, match=r"expected|not understood"):
        policy.read(wrong)


def test_a_placeholder_needs_a_value() -> None:
    given = document(Resource="arn:aws:ecs:*:*:service/${Cluster}/*")

    [statement] = policy.filled(given, {"Cluster": "shop"})["Statement"]

    assert statement["Resource"] == "arn:aws:ecs:*:*:service/shop/*"
    with pytest.raises(KeyError):
        policy.filled(given, {})


@pytest.mark.parametrize(
    ("service", "method", "parameters", "code", "status"),
    [
        ("ecs", "list_clusters", {}, "AccessDeniedException", 400),
        (
            "secretsmanager",
            "get_secret_value",
            {"SecretId": "a"},
            "AccessDeniedException",
            400,
        ),
        ("elbv2", "describe_account_limits", {}, "AccessDenied", 403),
    ],
)
def test_a_worker_is_denied_other_actions_in_the_form_of_each_protocol(
    aws: AwsSandbox, service: str, method: str, parameters: Any, code: str, status: int
) -> None:
    client = connected(aws, service, access_key=WORKER_KEY)

    with pytest.raises(ClientError) as raised:
        getattr(client, method)(**parameters)

    answer = raised.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert "because no identity-based policy allows" in answer["Error"]["Message"]
    assert len(aws.denials) == 1


def test_a_creation_with_tags_also_needs_the_right_to_tag(aws: AwsSandbox) -> None:
    client = connected(aws, "ecs", access_key=WORKER_KEY)
    aws.guard.policy = policy.read(
        document(Action="ecs:RegisterTaskDefinition", Resource="*", Sid="Register")
    )
    family: Any = {
        "family": "web",
        "containerDefinitions": [{"name": "web", "image": "web", "memory": 128}],
    }

    client.register_task_definition(**family)
    with pytest.raises(ClientError, match="not authorized to perform: ecs:TagResource"):
        client.register_task_definition(**family, tags=[{"key": "a", "value": "b"}])
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole on resource"):
        client.register_task_definition(**family, taskRoleArn="arn:aws:iam::1:role/any")


def test_other_keys_have_all_rights(aws: AwsSandbox) -> None:
    assert connected(aws, "ecs").list_clusters()["clusterArns"]
    assert aws.denials == []
