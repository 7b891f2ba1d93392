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


def test_a_worker_finds_its_role(aws: AwsSandbox) -> None:
    aws.account.worker_role = role = f"arn:aws:iam::{aws.account.number}:role/teams/worker"
    sts, iam = (connected(aws, each, access_key=WORKER_KEY) for each in ("sts", "iam"))

    caller = sts.get_caller_identity()
    found = iam.get_role(RoleName="worker")["Role"]

    session = f"arn:aws:sts::{aws.account.number}:assumed-role/worker/sandbox"
    assert (caller["Arn"], caller["Account"]) == (session, aws.account.number)
    assert (found["Arn"], found["Path"], found["RoleName"]) == (role, "/teams/", "worker")
    with pytest.raises(ClientError) as raised:
        iam.get_role(RoleName="other")
    assert raised.value.response["Error"]["Code"] == "NoSuchEntity"


def simulated(aws: AwsSandbox, source: str = "", **parameters: Any) -> Any:
    """Simulate the policy of the workers as a worker does."""
    iam = connected(aws, "iam", access_key=WORKER_KEY)
    source = source or aws.account.worker_role
    return iam.simulate_principal_policy(PolicySourceArn=source, **parameters)


def allow(aws: AwsSandbox, **statement: Any) -> None:
    """Allow the workers the simulation, and one statement."""
    own = {"Action": "iam:SimulatePrincipalPolicy", "Resource": "*"}
    rights = (*policy.read(document(**statement)).rights, *policy.read(document(**own)).rights)
    aws.guard.policy = policy.Policy(rights)


def test_a_simulation_decides_for_each_action_and_resource(aws: AwsSandbox) -> None:
    allow(aws, Condition={"StringEquals": {"ecs:cluster": "shop", "aws:RequestedRegion": "here"}})
    key = {"ContextKeyName": "ecs:cluster", "ContextKeyType": "string"}
    context = [
        key | {"ContextKeyValues": ["shop"]},
        key | {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["here"]},
    ]
    actions = ["ecs:UpdateService", "ecs:DeleteService"]
    asked: Any = {"ActionNames": actions, "ResourceArns": [SERVICE, f"{SERVICE}-2"]}

    whole, partial = (simulated(aws, **asked, ContextEntries=context[:end]) for end in (2, 1))

    decisions = [
        (each["EvalActionName"], one["EvalResourceName"], one["EvalResourceDecision"])
        for each in whole["EvaluationResults"]
        for one in each["ResourceSpecificResults"]
    ]
    assert sorted(decisions) == [
        ("ecs:DeleteService", SERVICE, "implicitDeny"),
        ("ecs:DeleteService", f"{SERVICE}-2", "implicitDeny"),
        ("ecs:UpdateService", SERVICE, "allowed"),
        ("ecs:UpdateService", f"{SERVICE}-2", "implicitDeny"),
    ]
    assert not whole["IsTruncated"]
    for each in partial["EvaluationResults"]:
        assert each["EvalDecision"] == "implicitDeny"
        for one in each["ResourceSpecificResults"]:
            assert one["MissingContextValues"] == ["aws:RequestedRegion"]


def test_a_simulation_without_resources_is_on_all_and_has_pages(aws: AwsSandbox) -> None:
    allow(aws, Resource="*")
    aws.pace.evaluations_per_page = 1
    actions = ["ecs:UpdateService", "ecs:DeleteService"]

    first = simulated(aws, ActionNames=actions)
    second = simulated(aws, ActionNames=actions, Marker=first["Marker"])

    found = [*first["EvaluationResults"], *second["EvaluationResults"]]
    assert [(each["EvalResourceName"], each["EvalDecision"]) for each in found] == [
        ("*", "implicitDeny"),
        ("*", "allowed"),
    ]
    assert (first["IsTruncated"], second["IsTruncated"]) == (True, False)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("arn:aws:iam::123456789012:root", "InvalidInput"),
        ("arn:aws:sts::123456789012:assumed-role/worker/sandbox", "InvalidInput"),
        ("arn:aws:iam::123456789012:role/other", "NoSuchEntity"),
    ],
)
def test_only_existing_users_and_roles_are_simulated(
    aws: AwsSandbox, source: str, code: str
) -> None:
    allow(aws)

    with pytest.raises(ClientError) as raised:
        simulated(aws, source, ActionNames=["ecs:UpdateService"])

    assert raised.value.response["Error"]["Code"] == code


def test_a_simulation_needs_the_right_to_it(aws: AwsSandbox) -> None:
    aws.guard.policy = policy.read(document())

    with pytest.raises(ClientError) as raised:
        simulated(aws, ActionNames=["ecs:UpdateService"])

    assert raised.value.response["Error"]["Code"] == "AccessDenied"
