"""20 callers who poll five listings every 2 s, over four workers, stay within AWS's rates."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from contracts import api
from contracts.operation import Operation
from deploy.sandbox.aws.account import Pace
from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.sharing import Clock, ask, open_sharing, query
from worker.providers.ecs.aws.limits import GROUPS
from worker.providers.ecs.elb import rules

SCOPE = "default"
CALLERS = 20
WORKERS = 4
POLL_S = 2.0
POLLS = 5
SERVICES, TASKS_EACH, ROUTES = 60, 2, 30

RATES = {
    "ecs:DescribeTasks": 20,
    "ecs:ListTasks": 20,
    "ecs:DescribeServices": 20,
    "ecs:ListServices": 20,
    "ecs:DescribeTaskDefinition": 20,
    "tag:GetResources": 15,
    "elasticloadbalancing:DescribeListeners": 10,
    "elasticloadbalancing:DescribeRules": 10,
    "elasticloadbalancing:DescribeTags": 10,
}
"""The sustained rates that AWS documents, in requests per second; see `aws/limits.py`."""


@pytest.fixture
def aws(account: AwsSandbox) -> Iterator[AwsSandbox]:
    account.reset()
    account.account.pace = Pace()
    definition = account.add_task_definition("web")
    group = account.add_target_group("web")
    for number in range(SERVICES):
        account.add_service(
            f"web-{number}",
            desired=TASKS_EACH,
            tags={"app": f"app-{number}"},
            task_definition=definition,
        )
    for number in range(ROUTES):
        marks = rules.marks(f"app-{number}", SCOPE)
        account.add_rule(group, host=f"{number}.example.org", tags=marks)
    yield account
    assert account.denials == []


def listings(caller: int) -> list[Operation[Any]]:
    """Return the queries of a caller: whole listings, and the endpoints and route of its own."""
    return [
        api.GetMachines(SCOPE),
        api.GetControllers(SCOPE),
        api.GetServicesByLabels(SCOPE, {"app": f"app-{caller}"}),
        api.ListGateways(SCOPE),
        api.GetHttpRoute(SCOPE, f"app-{caller}"),
    ]


def groups(aws: AwsSandbox) -> dict[int, int]:
    """Return the number of requests by AWS's groups of actions."""
    index = {action: number for number, (_, actions) in enumerate(GROUPS) for action in actions}
    return Counter(index[action] for action in aws.calls.actions())


def test_the_rates_of_the_client_are_those_that_aws_documents() -> None:
    known = {action: rate.per_second for rate, actions in GROUPS for action in actions}

    assert {action: known[action] for action in RATES} == RATES


async def test_20_callers_who_poll_every_listing_stay_within_the_sustained_rates(
    aws: AwsSandbox,
) -> None:
    clock, chance = Clock(), random.Random(1)
    began = clock.now
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(open_sharing(aws.environment, clock))
            for _ in range(WORKERS)
        ]
        for operation in listings(0):
            await ask(workers[0], operation, query(max_age_s=0))
        aws.calls.clear()
        for operation in listings(0):
            await ask(workers[0], operation, query(max_age_s=0))
        live = groups(aws)
        aws.calls.clear()
        for poll in range(POLLS):
            for caller in range(CALLERS):
                clock.now = began + POLL_S * (poll + caller / CALLERS)
                for operation in listings(caller):
                    await ask(chance.choice(workers), operation)
        shared = groups(aws)

    seconds = POLL_S * POLLS
    polls = CALLERS / POLL_S
    for number, (rate, actions) in enumerate(GROUPS):
        assert shared.get(number, 0) <= rate.per_second * seconds, actions
    exceeded = [
        actions
        for number, (rate, actions) in enumerate(GROUPS)
        if live.get(number, 0) * polls > rate.per_second
    ]
    assert len(exceeded) >= 3, "the rates would not be exceeded without shared reads either"
