"""The provider reports the rights that its credentials lack.

It tries requests that only read, and IAM simulates the policies for all others.
"""

from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.platform_access import Access, Lack
from deploy.sandbox.aws.iam import guard, policy
from deploy.sandbox.aws.iam.policy import Policy, listed
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import Ending, ample
from tests.ecs.iam import scenario
from tests.ecs.opened import open_provider
from tests.ecs.workloads.builders import CLUSTER
from worker.providers.ecs.iam.rights import NAME, OWN
from worker.providers.ecs.iam.simulation import BOUNDARY, DENY, ORGANIZATION

SIMULATE = "iam:SimulatePrincipalPolicy"
STATEMENTS = policy.load(guard.SHIPPED)["Statement"]
OF_OPERATIONS = [each for each in STATEMENTS if each["Sid"] != OWN]
ANSWER = "<{0}Response><{0}Result>{1}</{0}Result></{0}Response>"


@pytest.fixture
def whole(aws: AwsSandbox) -> AwsSandbox:
    """An account with a listener and a namespace, whose workers have exactly the needed rights."""
    scenario.populate(aws)
    aws.guard.policy = scenario.shipped(aws)
    return aws


def forbid(aws: AwsSandbox, *names: str) -> None:
    """Take statements or actions from the policy of the workers."""
    kept = [each for each in aws.guard.policy.rights if not {each.sid, each.action} & {*names}]
    aws.guard.policy = Policy(tuple(kept))


async def access(aws: AwsSandbox, *clusters: str) -> Access:
    """Return the answer of a worker with all settings; requests may be denied."""
    async with scenario.worker(aws) as provider:
        found = await provider.platform_access(clusters or [CLUSTER], ample())
    aws.guard.denials.clear()
    return found


def reason(found: Access) -> str:
    """Return why rights were not checked."""
    assert found.unchecked is not None
    return found.unchecked


def simulated(aws: AwsSandbox) -> list[dict[str, Any]]:
    """Return the parameters of all simulations."""
    return [call.parameters for call in aws.calls if call.action == SIMULATE]


async def test_the_shipped_policy_lacks_nothing(whole):
    found = await access(whole)

    role = whole.account.worker_role
    assert found == Access("ecs", whole.url, role)
    resources = [each["ResourceArns"] for each in simulated(whole)]
    assert len({tuple(each) for each in resources}) == len(resources) - 1  # two contexts of "*"


@pytest.mark.parametrize("statement", OF_OPERATIONS, ids=[each["Sid"] for each in OF_OPERATIONS])
async def test_the_rights_of_each_absent_statement_are_lacking(whole, statement):
    forbid(whole, statement["Sid"])

    found = await access(whole)

    lacks = {(each.statement, each.right) for each in found.lacks}
    assert lacks == {(statement["Sid"], action) for action in listed(statement["Action"])}
    assert {each.optional for each in found.lacks} == {"PullSecrets" in statement["Sid"]}
    assert found.unchecked is None


async def test_rights_of_a_cluster_are_checked_for_each_and_others_once(whole):
    whole.add_cluster("stage")
    forbid(whole, "ecs:DeleteService", "ecs:DeregisterTaskDefinition")

    found = await access(whole, CLUSTER, "stage")

    of_stage = {each.right for each in found.lacks if each.scope == "stage"}
    assert {"ecs:DeleteService", "ecs:UpdateService", "ecs:RegisterTaskDefinition"} < of_stage
    assert [each for each in found.lacks if each.scope != "stage"] == [
        Lack(
            "",
            "ecs:DeregisterTaskDefinition",
            "workloads",
            statement="ReadAndRetireTaskDefinitions",
        ),
        Lack(
            CLUSTER,
            "ecs:DeleteService",
            "controllers and workloads",
            statement="ManageServicesOfTheCluster",
        ),
    ]


async def test_a_cluster_may_be_an_arn(whole):
    arn = whole.account.arn("ecs", f"cluster/{CLUSTER}")

    assert (await access(whole, arn)).lacks == []


async def test_rights_for_what_is_not_configured_are_not_checked(aws, environment):
    aws.add_cluster(CLUSTER)
    forbid(aws, *(each["Sid"] for each in OF_OPERATIONS))

    async with open_provider(environment) as provider:
        with_role = await provider.platform_access([CLUSTER], ample())
    del environment["PLT_ECS_EXECUTION_ROLE_ARN"]
    async with open_provider(environment) as provider:
        without = await provider.platform_access([CLUSTER], ample())

    services = {each.right.partition(":")[0] for each in without.lacks}
    assert services == {"ecs", "tag", "secretsmanager"}
    more = {each.statement for each in with_role.lacks} - {each.statement for each in without.lacks}
    assert more == {"PassRolesToTasks", "CreatePullSecrets", "KeepPullSecrets"}
    aws.guard.denials.clear()


async def test_without_a_scope_only_aws_is_reached(aws, provider):
    found = await provider.platform_access([], ample())

    assert (found.lacks, found.unchecked) == ([], None)
    assert [call.action for call in aws.calls] == ["tag:GetResources"]


async def test_without_the_right_to_simulate_reads_are_tried_and_the_reason_is_given(whole):
    forbid(whole, OWN, "ecs:DescribeServices", "ecs:UpdateService", "tag:GetResources")

    found = await access(whole)

    assert [each.right for each in found.lacks] == ["tag:GetResources", "ecs:DescribeServices"]
    assert f"lacks {SIMULATE}" in reason(found)
    assert f"Add the statement {OWN} of deploy/aws/iam-policy.json" in reason(found)
    assert len(simulated(whole)) == 1


async def test_the_role_of_the_session_is_simulated_with_its_path(whole):
    found = await access(whole)

    assert found.identity == whole.account.worker_role
    assert "/teams/shop/" in str(found.identity)
    assert {each["PolicySourceArn"] for each in simulated(whole)} == {found.identity}


async def test_without_the_right_to_read_its_path_a_role_is_simulated_without_one(whole):
    forbid(whole, "iam:GetRole")
    with_path = await access(whole)
    whole.account.worker_role = f"arn:aws:iam::{whole.account.number}:role/worker"
    whole.guard.policy = scenario.shipped(whole)
    forbid(whole, "iam:GetRole")
    without_path = await access(whole)

    assert "which allows iam:GetRole and iam:Simulate" in reason(with_path)
    assert (without_path.lacks, without_path.unchecked) == ([], None)


async def test_a_role_that_is_not_found_without_its_path_is_unchecked(whole):
    whole.guard.policy = policy.read(whole.guard.shipped(**guard.EVERYWHERE))
    forbid(whole, "iam:GetRole")

    found = await access(whole)

    assert "The role with name worker cannot be found" in reason(found)
    assert OWN in reason(found)


async def test_all_pages_of_a_simulation_are_read(whole):
    whole.pace.evaluations_per_page = 2
    forbid(whole, "elasticloadbalancing:RemoveTags", "elasticloadbalancing:AddTags")

    found = await access(whole)

    assert [each.right for each in found.lacks] == [
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:RemoveTags",
        "elasticloadbalancing:AddTags",
    ]
    assert any("Marker" in each for each in simulated(whole))


async def test_a_simulation_that_aws_throttles_or_interrupts_is_unchecked(whole):
    whole.faults.throttle(SIMULATE, times=None)
    throttled = await access(whole)
    whole.faults.clear()
    whole.faults.add("iam:GetRole", disconnect="before", times=None)
    interrupted = await access(whole)

    assert (throttled.lacks, interrupted.lacks) == ([], [])
    assert "Rate exceeded" in reason(throttled)
    assert "IAM did not simulate the other rights" in reason(interrupted)
    assert OWN not in reason(throttled) + reason(interrupted)


async def test_a_simulation_that_reaches_the_deadline_is_unchecked(whole):
    call = Ending(lambda: "iam:GetRole" in whole.calls.actions())

    async with scenario.worker(whole) as provider:
        found = await provider.platform_access([CLUSTER], call)

    assert (found.identity, found.lacks) == (whole.account.worker_role, [])
    assert "the deadline passed before AWS was asked iam:Simulate" in reason(found)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("iam::123456789012:root", "the root user has each right"),
        ("sts::123456789012:federated-user/ci", "its session limits the rights"),
        ("sts::123456789012:assumed-role", "its simulator accepts users and roles"),
        ("sts:something else", "its simulator accepts users and roles"),
    ],
)
async def test_callers_that_iam_does_not_simulate_are_named(whole, caller, expected):
    identify(whole, f"arn:aws:{caller}")

    found = await access(whole)

    assert found.identity == f"arn:aws:{caller}"
    assert expected in reason(found)
    assert simulated(whole) == []


@pytest.mark.parametrize(
    "user",
    ["arn:aws:iam::123456789012:user/teams/ci", "arn:aws-us-gov:iam::123456789012:user/ci"],
)
async def test_a_user_is_simulated_in_its_partition(whole, user):
    identify(whole, user)
    whole.faults.add(SIMULATE, body=evaluation("tag:None", ""), status=200, times=None)

    found = await access(whole)

    [parameters] = simulated(whole)
    context = {
        each["ContextKeyName"]: each["ContextKeyValues"] for each in parameters["ContextEntries"]
    }
    assert parameters["PolicySourceArn"] == found.identity == user
    partition = user.split(":")[1]
    assert context["ecs:cluster"] == [f"arn:{partition}:ecs:eu-central-1:123456789012:cluster/shop"]
    assert "answer to iam:SimulatePrincipalPolicy does not have the expected form" in reason(found)


@pytest.mark.parametrize(
    ("decision", "details", "denied_by", "is_optional"),
    [
        (
            "implicitDeny",
            "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>"
            "</OrganizationsDecisionDetail>",
            ORGANIZATION,
            True,
        ),
        (
            "implicitDeny",
            "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false"
            "</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>",
            BOUNDARY,
            False,
        ),
        (
            "allowed",
            "<ResourceSpecificResults><member><EvalResourceName>*</EvalResourceName>"
            "<EvalResourceDecision>implicitDeny</EvalResourceDecision>"
            "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false"
            "</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail></member>"
            "</ResourceSpecificResults>",
            BOUNDARY,
            False,
        ),
        ("explicitDeny", "", DENY, False),
        ("implicitDeny", "", "", False),
    ],
)
async def test_a_policy_that_denies_a_right_whatever_the_statements_is_named(
    whole, decision, details, denied_by, is_optional
):
    answer = evaluation("ecs:RegisterTaskDefinition", details, decision)
    answer_about_task_definitions(whole, answer)

    found = await access(whole)

    assert found.lacks == [
        Lack(
            CLUSTER,
            "ecs:RegisterTaskDefinition",
            "workloads",
            is_optional,
            "RegisterTaskDefinitions",
            denied_by,
        )
    ]


async def test_a_denial_is_not_certain_if_policies_have_other_condition_keys(whole):
    keys = "<MissingContextValues><member>aws:SourceVpce</member></MissingContextValues>"
    answer_about_task_definitions(
        whole, evaluation("ecs:RegisterTaskDefinition", keys, "explicitDeny")
    )

    found = await access(whole)

    assert found.lacks == []
    assert "denies ecs:RegisterTaskDefinition. Real requests may be allowed" in reason(found)
    assert "conditions on aws:SourceVpce" in reason(found)


def identify(aws: AwsSandbox, arn: str) -> None:
    """Let STS answer that the credentials are those of another caller."""
    content = ANSWER.format("GetCallerIdentity", f"<Arn>{arn}</Arn>")
    aws.faults.add("sts:GetCallerIdentity", body=content, status=200)


def evaluation(action: str, details: str, decision: str = "allowed") -> str:
    """Return an evaluation in AWS's form, which the sandbox does not give."""
    return (
        f"<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>"
        f"{details}</member>"
    )


def answer_about_task_definitions(aws: AwsSandbox, first: str) -> None:
    """Let IAM give this evaluation, and allow tags of task definitions."""
    members = first + evaluation("ecs:TagResource", "")
    content = f"<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"
    aws.faults.add(
        SIMULATE,
        parameters={"ResourceArns": [aws.account.arn("ecs", f"task-definition/{NAME}:1")]},
        body=ANSWER.format("SimulatePrincipalPolicy", content),
        status=200,
    )


async def test_a_cluster_that_does_not_exist_is_a_fault(aws, provider):
    with pytest.raises(Fault) as raised:
        await provider.platform_access(["elsewhere"], ample())

    assert raised.value.code is Code.NOT_FOUND


async def test_an_endpoint_that_refuses_connections_is_unreachable(environment):
    nowhere = environment | {"PLT_ECS_ENDPOINT": "http://127.0.0.1:1"}
    async with open_provider(nowhere) as provider:
        with pytest.raises(Fault) as raised:
            await provider.platform_access([], ample())

    assert raised.value.code is Code.PLATFORM_UNREACHABLE
