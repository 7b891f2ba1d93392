"""The provider reports the rights to read that its credentials lack."""

import pytest

from contracts.faults import Code, Fault
from contracts.platform_access import Lack
from deploy.sandbox.aws.iam.policy import Policy
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.opened import open_provider

CLUSTER = "default"


@pytest.fixture
def cluster(aws: AwsSandbox) -> str:
    """A cluster of the account."""
    aws.add_cluster(CLUSTER)
    return CLUSTER


def forbid(aws: AwsSandbox, *actions: str) -> None:
    """Take the rights to these actions from the workers."""
    kept = [right for right in aws.guard.policy.rights if right.action not in actions]
    aws.guard.policy = Policy(tuple(kept))


async def test_the_shipped_policy_lacks_nothing(aws, provider, cluster):
    found = await provider.platform_access([cluster], ample())

    assert (found.platform, found.location, found.lacks) == ("ecs", aws.url, [])
    assert found.unchecked is not None


async def test_without_a_scope_only_aws_is_reached(aws, provider):
    found = await provider.platform_access([], ample())

    assert (found.lacks, found.unchecked) == ([], None)
    assert [call.action for call in aws.calls] == ["tag:GetResources"]


async def test_each_right_that_a_request_lacks_is_reported(aws, environment, cluster):
    aws.add_listener("public")
    listener = {"PLT_ECS_LISTENER_ARN": aws.listener_arn}
    lacking = ["tag:GetResources", "ecs:DescribeServices", "elasticloadbalancing:DescribeRules"]
    forbid(aws, *lacking)

    async with open_provider(environment | listener) as provider:
        found = await provider.platform_access([cluster], ample())

    assert found.lacks == [
        Lack("", "tag:GetResources", "labels"),
        Lack(cluster, "ecs:DescribeServices", "controllers"),
        Lack(cluster, "elasticloadbalancing:DescribeRules", "routes"),
    ]
    aws.guard.denials.clear()


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
