"""Every operation while AWS refuses, is busy, fails or is unreachable."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.operation import Operation
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.opened import open_provider
from tests.stack import BOUND_S, eventually
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

ID = "0123456789abcdef0123456789abcdef"
LABELS = {"app": "shop"}

Build = Callable[[str, str], Operation[Any]]
"""Builds an operation for a cluster and a machine."""

READS: dict[str, tuple[str, Build]] = {
    "get_machine": ("ecs:DescribeTasks", lambda scope, id: api.GetMachine(scope, id)),
    "get_machines": ("ecs:ListTasks", lambda scope, id: api.GetMachines(scope)),
    "get_machines by labels": (
        "tag:GetResources",
        lambda scope, id: api.GetMachines(scope, LABELS),
    ),
    "get_controllers": ("ecs:ListServices", lambda scope, id: api.GetControllers(scope)),
    "get_controllers of a machine": (
        "ecs:DescribeTasks",
        lambda scope, id: api.GetControllers(scope, id),
    ),
    "get_controller": ("ecs:DescribeServices", lambda scope, id: api.GetController(scope, "web")),
    "get_services_by_labels": (
        "tag:GetResources",
        lambda scope, id: api.GetServicesByLabels(scope, LABELS),
    ),
}
CHANGES: dict[str, tuple[str, Build]] = {
    "set_machine_labels": (
        "ecs:TagResource",
        lambda scope, id: api.SetMachineLabels(scope, id, {"a": "b"}),
    ),
    "update_controller_replicas": (
        "ecs:UpdateService",
        lambda scope, id: api.UpdateControllerReplicas(scope, "web", 1),
    ),
    "delete_controller": (
        "ecs:DeleteService",
        lambda scope, id: api.DeleteController(scope, "web"),
    ),
}
OPERATIONS = READS | CHANGES


async def run(provider: EcsProvider, operation: Operation[Any], call: Call | None = None) -> Any:
    return await getattr(provider, operation.row.name)(operation, call or ample())


REFUSALS: list[tuple[dict[str, Any], Code]] = [
    ({"code": "ThrottlingException", "message": "Rate exceeded"}, Code.PLATFORM_LIMITING),
    ({"code": "AccessDeniedException", "message": "not authorized"}, Code.PLATFORM_FORBIDDEN),
    ({"code": "InvalidParameterException", "message": "that is wrong"}, Code.INVALID),
    ({"code": "ServerException", "message": "sorry", "status": 500}, Code.PLATFORM_FAILED),
    ({"code": "UnheardOfException", "message": "news"}, Code.PLATFORM_INVALID),
    ({"code": "ExpiredTokenException", "message": "expired"}, Code.PLATFORM_FAILED),
]
TRANSIENT: list[dict[str, Any]] = [
    {"code": "ThrottlingException", "message": "Rate exceeded"},
    {"code": "ServerException", "message": "sorry", "status": 500},
    {"disconnect": "before"},
    {"disconnect": "after"},
]


def seeded(aws: AwsSandbox) -> str:
    """Create the service "web" alone, and return the id of its only machine."""
    aws.reset()
    aws.add_service("web", "shop", desired=1, tags=LABELS)
    [task] = aws.tasks("shop")
    return str(task["taskArn"].rpartition("/")[2])


@pytest.fixture
async def nowhere() -> AsyncIterator[EcsProvider]:
    """A provider for an endpoint without a listener."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        environment = {
            "PLT_ECS_REGION": "eu-central-1",
            "PLT_ECS_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "PLT_ECS_RETRY_BASE_MS": "20",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        async with open_provider(environment) as opened:
            yield opened


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_lasting_refusal_has_a_fitting_code(aws, provider, name):
    action, build = OPERATIONS[name]
    machine = seeded(aws)

    for refusal, code in REFUSALS:
        aws.faults.clear()
        aws.faults.add(action, times=None, **refusal)
        with pytest.raises(Fault, match=refusal["message"]) as raised:
            await run(provider, build("shop", machine))
        assert raised.value.code is code
        assert (raised.value.retry_after is not None) is (code is Code.PLATFORM_LIMITING)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_transient_failure_is_not_visible(aws, provider, name):
    action, build = OPERATIONS[name]

    for failure in TRANSIENT:
        machine = seeded(aws)
        aws.faults.add(action, times=1, **failure)
        await run(provider, build("shop", machine))
        assert aws.calls.count(action) >= 2


async def test_a_missing_permission_is_named(aws, provider):
    for action, build in OPERATIONS.values():
        machine = seeded(aws)
        aws.faults.deny(action)
        with pytest.raises(Fault, match=f"lacks {action}: allow it") as raised:
            await run(provider, build("shop", machine))
        assert raised.value.code is Code.PLATFORM_FORBIDDEN


async def test_an_absent_cluster_is_not_found_and_named(provider):
    for _, build in OPERATIONS.values():
        with pytest.raises(Fault, match='no cluster "absent"') as raised:
            await run(provider, build("absent", ID))
        assert raised.value.code is Code.NOT_FOUND


async def test_an_unreachable_endpoint_means_that_nothing_was_attempted(nowhere):
    for _, build in OPERATIONS.values():
        with pytest.raises(Fault, match="cannot be reached") as raised:
            await run(nowhere, build("shop", ID))
        assert raised.value.code is Code.PLATFORM_UNREACHABLE


async def test_a_missing_answer_ends_at_the_deadline(aws, provider):
    for action, build in OPERATIONS.values():
        machine = seeded(aws)
        aws.faults.add(action, delay=60, times=None)
        with pytest.raises(Fault, match="before the deadline") as raised:
            await run(provider, build("shop", machine), Call.within(0.3))
        assert raised.value.code is Code.DEADLINE_EXCEEDED


async def test_a_cancelled_operation_stops_at_once(aws, provider):
    for action, build in OPERATIONS.values():
        machine = seeded(aws)
        aws.faults.add(action, delay=60, times=None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await run(provider, build("shop", machine))


async def test_a_change_whose_answers_are_lost_never_claims_that_nothing_was_done(aws, provider):
    for action, build in CHANGES.values():
        machine = seeded(aws)
        aws.faults.add(action, disconnect="before", times=1)
        aws.faults.throttle(action, times=None)
        with pytest.raises(Fault, match="may have had an effect") as raised:
            await run(provider, build("shop", machine))
        assert raised.value.code is Code.PLATFORM_FAILED


async def test_hanging_changes_do_not_delay_reads(environment, aws, call):
    aws.add_cluster("shop")
    aws.add_service("web", "shop", desired=1)
    aws.faults.add("ecs:UpdateService", delay=30, times=None)
    scaling = api.UpdateControllerReplicas("shop", "web", 2)

    async with open_provider(environment | {"PLT_ECS_CONCURRENCY": "2"}) as provider:
        hanging = [
            asyncio.create_task(provider.update_controller_replicas(scaling, call()))
            for _ in range(3)
        ]
        await asyncio.to_thread(eventually, lambda: aws.calls.count("ecs:UpdateService") == 2)
        async with asyncio.timeout(BOUND_S):
            assert len(await provider.get_machines(api.GetMachines("shop"), call())) == 1
        for each in hanging:
            each.cancel()
        await asyncio.wait(hanging)
