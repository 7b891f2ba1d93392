"""The consumer: commands that cannot be run here, or not at all."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from contracts.api import UpdateControllerReplicas
from contracts.broker.channel import Delivery
from contracts.faults import Code, Fault
from contracts.freshness import Freshness
from contracts.operation import Operation
from contracts.outcomes import Result
from contracts.resources import Controller
from contracts.wire import Header, Message
from tests.examples import ANSWERS, EXAMPLES, message_of
from tests.worker.attachment import Broker, consuming
from tests.worker.providers import FullProvider
from worker.provider import Call

LONG_AGO_S = 20.0
PARTITION = "machinist.k8s.commands.0"


def event() -> Message:
    """A command without `reply_to`, published now."""
    return message_of(EXAMPLES["update_controller_replicas"], reply_to=None)


class Stalled:
    """A provider whose first calls freeze the process until the fence is closed."""

    def __init__(self, broker: Broker, stalls: int) -> None:
        self._broker = broker
        self._stalls = stalls
        self.ran = 0

    async def update_controller_replicas(
        self, operation: UpdateControllerReplicas, call: Call
    ) -> Controller:
        if self._stalls:
            self._stalls -= 1
            self._broker.answered(LONG_AGO_S)
        if not call.left():
            raise Fault(Code.DEADLINE_EXCEEDED, "no time left")
        self.ran += 1
        result: Controller = ANSWERS["update_controller_replicas"]
        return result


async def test_a_command_behind_a_closed_fence_is_not_settled_and_runs_when_redelivered():
    """An event has no caller that would retry it: an acknowledgement would lose it."""
    broker = Broker()
    provider = Stalled(broker, stalls=1)
    async with consuming(provider, broker):
        message = event()
        receive = await broker.consumed(PARTITION)
        receive(Delivery(message, 1, False, 0))

        receive = await broker.consumed(PARTITION)
        assert broker.acked == []
        broker.answered(0.0)
        again = Delivery(message, 1, True, 1)
        receive(again)

        assert await broker.settled() is again
        assert provider.ran == 1
        assert broker.record.results == [Result.STARTED, Result.STARTED, Result.DONE]


async def test_a_command_with_too_little_time_left_is_acknowledged_and_not_run():
    broker = Broker()
    provider = Stalled(broker, stalls=0)
    async with consuming(provider, broker):
        receive = await broker.consumed(PARTITION)
        late = Delivery(msgspec.structs.replace(event(), expiration=200), 1, False, 0)
        receive(late)

        assert await broker.settled() is late
        assert broker.acked == [late]
        assert broker.record.results == [Result.EXPIRED]
        assert provider.ran == 0


async def test_a_command_that_can_never_be_run_is_dead_with_the_reason():
    broker = Broker()
    async with consuming(Stalled(broker, stalls=0), broker):
        receive = await broker.consumed(PARTITION)
        invalid = Delivery(msgspec.structs.replace(event(), body=b"{}"), 1, False, 0)
        receive(invalid)

        assert await broker.settled() is invalid
        assert broker.acked == [invalid]
        assert broker.record.results == [Result.DEAD]
        assert broker.record.reasons == [
            "scope: expected a name of at most 512 letters, digits, '-', '_' and '.', or an ARN, "
            "got nothing"
        ]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, None), ({"versions": "pods=7", "max-age": 500}, Freshness({"pods": 7}, 0.5))],
)
async def test_a_query_may_be_answered_from_a_copy_only_if_its_publisher_says_what_it_must_include(
    headers: dict[str, Header], expected: Freshness | None
) -> None:
    broker, calls = Broker(), list[Call]()

    async def behave(operation: Operation[Any], call: Call) -> Any:
        calls.append(call)
        return ANSWERS[operation.row.name]

    async with consuming(FullProvider(behave), broker):
        receive = await broker.consumed("machinist.k8s.queries")
        query = message_of(EXAMPLES["get_machines"])
        receive(Delivery(structs.replace(query, headers=query.headers | headers), 1, False, 0))
        await broker.settled()

    assert [call.freshness for call in calls] == [expected]
