"""Queries that share reads: the answers of AWS, without requests while they are fresh enough."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.operation import Operation
from deploy.sandbox.aws.account import Pace
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.sharing import SECONDS, Clock, ask, open_sharing, query
from worker.providers.ecs.elb import rules
from worker.providers.ecs.provider import EcsProvider

SCOPE = "default"
CONTROLLERS = api.GetControllers(SCOPE)
MACHINES = api.GetMachines(SCOPE)
LISTINGS: list[Operation[Any]] = [MACHINES, CONTROLLERS]
WEB = {"app": "web"}


@pytest.fixture
def aws(account: AwsSandbox) -> Iterator[AwsSandbox]:
    """A cluster with services, a task without one, an endpoint in Cloud Map, and routes."""
    account.reset()
    account.account.pace = Pace()
    registry = account.add_cloud_map_service("web")
    account.add_service("web", desired=3, tags=WEB, registry_arn=registry)
    account.add_service("store", tags={"app": "store"}, task_tags={"tier": "db"})
    account.add_task(tags={"app": "web", "alone": "yes"})
    group = account.add_target_group("web")
    account.add_rule(group, host="web.example.org", tags=rules.marks("web", SCOPE))
    yield account
    assert account.denials == []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def provider(aws: AwsSandbox, clock: Clock) -> AsyncIterator[EcsProvider]:
    async with open_sharing(aws.environment, clock) as opened:
        yield opened


def queries(aws: AwsSandbox) -> list[Operation[Any]]:
    """Return a query of every kind."""
    id = task_id(aws, "web")
    return [
        MACHINES,
        CONTROLLERS,
        api.GetMachines(SCOPE, WEB),
        api.GetMachines(SCOPE, {"tier": "db", "app": "store"}),
        api.GetMachine(SCOPE, id),
        api.GetMachine(SCOPE, aws.add_task()),
        api.GetControllers(SCOPE, machine_id=id),
        api.GetController(SCOPE, "web"),
        api.GetController(SCOPE, "store"),
        api.GetServicesByLabels(SCOPE, WEB),
        api.ListGateways(SCOPE),
        api.GetHttpRoute(SCOPE, "web"),
    ]


def task_id(aws: AwsSandbox, service: str) -> str:
    arn: str = aws.tasks(service=service)[0]["taskArn"]
    return arn.rpartition("/")[2]


def comparable(answer: Any) -> Any:
    """Return an answer with its lists in one order."""
    plain = msgspec.to_builtins(answer)
    return sorted(plain, key=repr) if isinstance(plain, list) else plain


async def answer(provider: EcsProvider, operation: Operation[Any], call: Any = None) -> Any:
    found = comparable(await ask(provider, operation, call))
    if isinstance(operation, api.GetController):
        found["controller"]["machines"].sort(key=repr)
    return found


@pytest.mark.parametrize("listed_first", [False, True])
async def test_every_shared_answer_is_that_of_aws_and_needs_no_request_while_it_is_fresh(
    aws: AwsSandbox, provider: EcsProvider, clock: Clock, listed_first: bool
) -> None:
    asked = queries(aws)
    live = [await answer(provider, each, query(max_age_s=0)) for each in asked]
    for each in LISTINGS if listed_first else []:
        await ask(provider, each)
    first = [await answer(provider, each) for each in asked]
    aws.calls.clear()
    clock.now += SECONDS
    calls = [query() for _ in asked]
    again = [await answer(provider, *each) for each in zip(asked, calls, strict=True)]

    assert first == live
    assert again == live
    assert aws.calls.actions() == []
    assert [call.age_s for call in calls] == [SECONDS] * len(asked)

    clock.now += 0.01
    for each in asked:
        await ask(provider, each)
    assert aws.calls.count("ecs:ListServices") == 1
    assert aws.calls.count("ecs:ListTasks") == 1


async def test_filters_and_names_are_looked_up_in_listings_that_clients_ask_for(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    asked = queries(aws)
    for each in LISTINGS:
        await ask(provider, each)
    aws.calls.clear()
    for each in asked:
        await ask(provider, each)

    assert [each for each in aws.calls.actions() if each.startswith(("ecs:", "tag:"))] == [
        "ecs:DescribeTaskDefinition"
    ]


async def test_no_listing_is_read_for_a_single_resource_unless_clients_ask_for_it(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    id = task_id(aws, "web")
    aws.calls.clear()
    await ask(provider, api.GetMachine(SCOPE, id))
    await ask(provider, api.GetController(SCOPE, "web"))

    assert sorted(aws.calls.actions()) == [
        "ecs:DescribeServices",
        "ecs:DescribeServices",
        "ecs:DescribeTasks",
        "ecs:DescribeTasks",
        "ecs:ListTasks",
    ]


async def test_no_cache_asks_aws(aws: AwsSandbox, provider: EcsProvider) -> None:
    await ask(provider, CONTROLLERS)
    aws.calls.clear()
    call = query(max_age_s=0)
    await ask(provider, CONTROLLERS, call)

    assert aws.calls.actions() == ["ecs:ListServices", "ecs:DescribeServices"]
    assert call.age_s is None


async def test_concurrent_queries_share_the_requests(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    aws.calls.clear()
    calls = [query() for _ in range(20)]
    answers = await asyncio.gather(*(ask(provider, CONTROLLERS, call) for call in calls))

    assert aws.calls.actions() == ["ecs:ListServices", "ecs:DescribeServices"]
    assert all(each == answers[0] for each in answers)
    assert sum(len(call.requests) for call in calls) == 2


async def test_a_query_after_a_command_shows_its_effect(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    before = await ask(provider, api.GetController(SCOPE, "web"))
    await ask(provider, CONTROLLERS)
    await provider.update_controller_replicas(
        api.UpdateControllerReplicas(SCOPE, "web", 5), ample()
    )
    knowing = {"commands-a": 1}
    one = await ask(provider, api.GetController(SCOPE, "web"), query(**knowing))
    listed = await ask(provider, CONTROLLERS, query(**knowing))

    assert before.controller.replicas == 3
    assert one.controller.replicas == 5
    assert {each.name: each.replicas for each in listed.controllers}["web"] == 5


async def test_commands_read_from_aws(aws: AwsSandbox, provider: EcsProvider) -> None:
    id = task_id(aws, "web")
    for each in queries(aws):
        await ask(provider, each)
    aws.calls.clear()
    await provider.set_machine_labels(api.SetMachineLabels(SCOPE, id, {"step": "1"}), ample())
    await provider.delete_controller(api.DeleteController(SCOPE, "store"), ample())

    assert aws.calls.count("ecs:DescribeTasks") >= 1
    assert aws.calls.count("ecs:DescribeServices") >= 1


async def test_a_resource_that_is_absent_from_a_listing_is_looked_up_at_aws(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    for each in LISTINGS:
        await ask(provider, each)
    aws.add_service("late", desired=1)
    arn = aws.add_task()

    assert (await ask(provider, api.GetController(SCOPE, "late"))).controller.name == "late"
    assert (await ask(provider, api.GetMachine(SCOPE, arn))).id == arn.rpartition("/")[2]
    id = task_id(aws, "late")
    found = await ask(provider, api.GetControllers(SCOPE, machine_id=id))
    assert [each.name for each in found.controllers] == ["late"]
    with pytest.raises(Fault) as failed:
        await ask(provider, api.GetController(SCOPE, "absent"))
    assert failed.value.code is Code.NOT_FOUND


async def test_a_throttled_listing_is_a_429_for_all_who_wait_and_is_read_again_later(
    aws: AwsSandbox, provider: EcsProvider
) -> None:
    aws.faults.throttle("ecs:ListServices", times=None)
    impatient = [query() for _ in range(3)]
    for call in impatient:
        call.deadline -= 59  # a second is left: the retries end soon
    failures = await asyncio.gather(
        *(ask(provider, CONTROLLERS, call) for call in impatient), return_exceptions=True
    )
    aws.faults.clear()
    found = await ask(provider, CONTROLLERS)

    assert {type(each).__name__ for each in failures} == {"Failure"}
    assert {each.code for each in failures if isinstance(each, Fault)} == {Code.PLATFORM_LIMITING}
    assert {each.name for each in found.controllers} == {"web", "store"}
