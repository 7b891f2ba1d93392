"""An in-memory broker for a worker's consumer, with the consumer's other dependencies."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Fault
from contracts.outcomes import Result
from contracts.seal import Seals
from contracts.wire import Message, Reply
from worker.app import consuming_side
from worker.dispatch import Dispatch
from worker.messages.clock import Clock
from worker.messages.record import Record
from worker.messages.replies import Replies

WITHIN_S = 60.0


class Channel:
    """A channel that records acknowledged and rejected deliveries."""

    is_closed = False

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._queue = ""

    async def consume(self, queue: str, receive: Callable[[Delivery], None], **_: Any) -> str:
        self._queue = queue
        self._broker.consumers[queue] = receive
        self._broker.changed.set()
        return queue

    async def ack(self, delivery: Delivery) -> None:
        if delivery.message.type != topology.ATTENDANCE:
            self._broker.acked.append(delivery)
        self._broker.changed.set()

    async def reject(self, delivery: Delivery) -> None:
        self._broker.rejected.append(delivery)
        self._broker.changed.set()

    async def lost(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        if self._queue:
            self._broker.left.append(self._queue)

    async def accept(self, *_: Any, **__: Any) -> int:
        """Accept a declaration."""
        return 0

    has_exchange = bind = unbind = consumers = round_trip = accept


class Broker:
    """A connection whose pulse a test can answer."""

    def __init__(self) -> None:
        self.consumers: dict[str, Callable[[Delivery], None]] = {}
        self.acked: list[Delivery] = []
        self.rejected: list[Delivery] = []
        self.left: list[str] = []
        self.delivered: set[str] = set()
        self.changed = asyncio.Event()
        self.record = FakeRecord()
        self.answered: Callable[[float], None] = lambda seconds_ago: None

    async def channel(self) -> Channel:
        return Channel(self)

    async def pulse(self, answered: Callable[[float], None]) -> None:
        self.answered = answered
        answered(0.0)
        await asyncio.get_running_loop().create_future()

    async def consumed(self, queue: str) -> Callable[[Delivery], None]:
        """Wait for the consumer of a queue; return the callback for its deliveries."""
        async with asyncio.timeout(WITHIN_S):
            while (receive := self.consumers.pop(queue, None)) is None:
                self.changed.clear()
                await self.changed.wait()
        return receive

    async def settled(self) -> Delivery:
        """Wait for the first delivery that is acknowledged or rejected."""
        async with asyncio.timeout(WITHIN_S):
            while not self.acked + self.rejected:
                self.changed.clear()
                await self.changed.wait()
        return (self.acked + self.rejected)[0]


class FakeRecord:
    """A record of results and of the reasons of dead letters."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.reasons: list[str] = []

    async def write(self, command: Message, result: Result, *_: Any, **what: Any) -> None:
        self.results.append(result)

    async def dead_letter(self, command: Message, fault: Fault, queue: str, *_: Any) -> None:
        self.results.append(Result.DEAD)
        self.reasons.append(fault.message)


class NoReplies:
    """Drops replies."""

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        pass


@asynccontextmanager
async def consuming(provider: object, broker: Broker, concurrency: int = 64) -> AsyncIterator[None]:
    """Run a consumer over a broker."""
    async with asyncio.TaskGroup() as group:
        consumer = consuming_side(
            Dispatch("k8s", provider, Seals([])),
            cast(Replies, NoReplies()),
            cast(Record, broker.record),
            ReconnectingConnection("amqp://nowhere", "test"),
            Clock(),
            group,
            seals=Seals([]),
            announce=lambda: None,
            concurrency=concurrency,
            tag="worker test",
        )
        session = group.create_task(consumer.session(cast(Connection, broker)))
        yield
        session.cancel()
        consumer.abort()
