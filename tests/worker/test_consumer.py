"""The consumer: what becomes of a command that cannot be run here, now or ever."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from contracts.api import UpdateControllerReplicas
from contracts.broker.channel import Delivery
from contracts.broker.link import Connection, Link
from contracts.faults import Code, Fault
from contracts.outcomes import Result
from contracts.resources import Controller
from contracts.seal import Seals
from contracts.wire import Message, Reply
from tests.examples import ANSWERS, EXAMPLES, message_of
from worker.clock import Clock
from worker.consumer import Consumer
from worker.dispatch import Dispatch
from worker.provider import Call
from worker.record import Record
from worker.replies import Replies

LONG_AGO_S = 20.0
WITHIN_S = 10.0
PARTITION = "machinist.k8s.commands.0"


def event() -> Message:
    """A command that nobody awaits, published now."""
    return message_of(EXAMPLES["update_controller_replicas"], reply_to=None)


class Channel:
    """A channel that notes what was settled."""

    is_closed = False

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker

    async def consume(self, queue: str, receive: Callable[[Delivery], None], **_: Any) -> str:
        self._broker.consumers[queue] = receive
        self._broker.changed.set()
        return queue

    async def ack(self, delivery: Delivery) -> None:
        self._broker.acked.append(delivery)
        self._broker.changed.set()

    async def reject(self, delivery: Delivery) -> None:
        self._broker.rejected.append(delivery)
        self._broker.changed.set()

    async def lost(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def nothing(self, *_: Any, **__: Any) -> int:
        """Let it be declared and closed."""
        return 0

    has_exchange = bind = close = consumers = nothing


class Broker:
    """A connection, and its answer to the pulse."""

    def __init__(self) -> None:
        self.consumers: dict[str, Callable[[Delivery], None]] = {}
        self.acked: list[Delivery] = []
        self.rejected: list[Delivery] = []
        self.changed = asyncio.Event()
        self.record = Notes()
        self.answered: Callable[[int, float], None] = lambda consumers, seconds_ago: None

    async def channel(self) -> Channel:
        return Channel(self)

    async def pulse(self, queue: str, answered: Callable[[int, float], None]) -> None:
        self.answered = answered
        answered(1, 0.0)
        await asyncio.get_running_loop().create_future()

    async def consumed(self, queue: str) -> Callable[[Delivery], None]:
        """What gets the deliveries of a queue, once it is consumed."""
        async with asyncio.timeout(WITHIN_S):
            while (receive := self.consumers.pop(queue, None)) is None:
                self.changed.clear()
                await self.changed.wait()
        return receive

    async def settled(self) -> Delivery:
        """The first delivery that is acknowledged or rejected."""
        async with asyncio.timeout(WITHIN_S):
            while not self.acked + self.rejected:
                self.changed.clear()
                await self.changed.wait()
        return (self.acked + self.rejected)[0]


class Notes:
    """A record that notes the results, and who is dead for which reason."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.reasons: list[str] = []

    async def write(self, command: Message, result: Result, **what: Any) -> None:
        self.results.append(result)

    async def bury(self, command: Message, fault: Fault, queue: str) -> None:
        self.results.append(Result.DEAD)
        self.reasons.append(fault.message)


class Silent:
    """Replies to nobody."""

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        """Nobody asked."""


class Stalled:
    """A provider in whose calls the process stands still for long, as often as it is told to."""

    def __init__(self, broker: Broker, stalls: int) -> None:
        self._broker = broker
        self._stalls = stalls
        self.ran = 0

    async def update_controller_replicas(
        self, operation: UpdateControllerReplicas, call: Call
    ) -> Controller:
        if self._stalls:
            self._stalls -= 1
            self._broker.answered(1, LONG_AGO_S)
        if not call.left():
            raise Fault(Code.DEADLINE_EXCEEDED, "no time left")
        self.ran += 1
        result: Controller = ANSWERS["update_controller_replicas"]
        return result


@asynccontextmanager
async def consuming(provider: object, broker: Broker) -> AsyncIterator[None]:
    """A consumer in a session."""
    async with asyncio.TaskGroup() as group:
        consumer = Consumer(
            Dispatch("k8s", provider, Seals([])),
            cast(Replies, Silent()),
            cast(Record, broker.record),
            Link("amqp://nowhere", "test"),
            Clock(),
            group,
            concurrency=4,
        )
        session = group.create_task(consumer.session(cast(Connection, broker)))
        yield
        session.cancel()
        consumer.abort()


async def test_a_command_that_found_the_fence_closed_is_not_settled_and_runs_when_it_comes_back():
    """Nobody waits for the answer to an event: an acknowledgement would lose it."""
    broker = Broker()
    provider = Stalled(broker, stalls=1)
    async with consuming(provider, broker):
        message = event()
        receive = await broker.consumed(PARTITION)
        receive(Delivery(message, 1, False, 0))

        receive = await broker.consumed(PARTITION)
        assert broker.acked == []
        broker.answered(1, 0.0)
        again = Delivery(message, 1, True, 1)
        receive(again)

        assert await broker.settled() is again
        assert provider.ran == 1
        assert broker.record.results == [Result.STARTED, Result.STARTED, Result.DONE]


async def test_a_command_with_too_little_time_left_is_settled_and_not_run():
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


async def test_a_command_that_nobody_can_ever_run_is_dead_with_the_reason():
    broker = Broker()
    async with consuming(Stalled(broker, stalls=0), broker):
        receive = await broker.consumed(PARTITION)
        spoiled = Delivery(msgspec.structs.replace(event(), body=b"{}"), 1, False, 0)
        receive(spoiled)

        assert await broker.settled() is spoiled
        assert broker.acked == [spoiled]
        assert broker.record.results == [Result.DEAD]
        assert broker.record.reasons == [
            "scope: expected a name of at most 512 letters, digits, '-', '_' and '.', or an ARN, "
            "got nothing"
        ]
