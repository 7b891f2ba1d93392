"""Requests to AWS, as the provider reports them to the call for metrics."""

from contextlib import suppress

import pytest

from contracts.api import GetControllers
from contracts.faults import Code, Fault
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

ACTION = "ecs:ListServices"
SERVICES = GetControllers("shop")


async def reported(provider: EcsProvider) -> Call:
    """Return the call that listed the services of a cluster."""
    call = ample()
    with suppress(Fault):
        await provider.get_controllers(SERVICES, call)
    return call


def requests_of(call: Call) -> list[tuple[str, str]]:
    return [(each.action, each.status) for each in call.requests]


async def test_a_request_is_reported_with_its_action(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    aws.add_service("web", "shop", desired=1)

    call = await reported(provider)

    assert requests_of(call) == [(ACTION, "200"), ("ecs:DescribeServices", "200")]
    assert min(each.seconds for each in call.requests) > 0


async def test_a_throttled_request_and_its_retry_are_reported(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    aws.add_service("web", "shop", desired=0)
    aws.faults.add(ACTION, code="ThrottlingException", message="Rate exceeded")

    call = await reported(provider)

    assert requests_of(call)[:2] == [(ACTION, "ThrottlingException"), (ACTION, "200")]
    assert call.retries == [Code.PLATFORM_LIMITING]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", "AccessDeniedException"),
        ("ClusterNotFoundException", "ClusterNotFoundException"),
        ("SecretIsHunter2Exception", "platform_invalid"),
    ],
)
async def test_a_code_of_aws_is_reported_if_it_is_known(
    aws: AwsSandbox, provider: EcsProvider, code: str, status: str
) -> None:
    aws.faults.add(ACTION, times=None, code=code, message="no")

    assert requests_of(await reported(provider)) == [(ACTION, status)]


async def test_a_lost_response_is_reported_with_the_code_of_its_fault(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    aws.add_service("web", "shop", desired=0)
    aws.faults.add(ACTION, disconnect="after")

    call = await reported(provider)

    assert requests_of(call)[:2] == [(ACTION, "platform_failed"), (ACTION, "200")]
