"""The publisher: when it returns the broker has the message, whatever happened between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from contracts import topology
from contracts.broker.attendance import Announcement
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, ConnectionLost, NotDeclared, Refused, Rejected
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.topology import ATTENDANCE
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from worker.publisher import Publisher

MESSAGE = message_of(EXAMPLES["update_controller_replicas"], user_id="somebody")
WITHIN_S = 60


class Broker:
    """A connection and its only channel; fails as often as it is told to."""

    is_closed = False

    def __init__(self, user: str, *failures: BrokerError) -> None:
        self.user = user
        self.published: list[Message] = []
        self._failures = list(failures)

    async def channel(self) -> "Broker":
        return self

    async def publish(self, message: Message, *, mandatory: bool = False) -> None:
        if message.type == ATTENDANCE:
            return
        if self._failures:
            raise self._failures.pop(0)
        self.published.append(message)

    async def lost(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def nothing(self, *_: Any, **__: Any) -> int:
        """Let it be declared."""
        return 0

    async def pulse(self) -> None:
        await self.lost()

    async def confirms(self, channel: "Broker") -> None:
        await self.lost()

    has_exchange = consumers = bind = unbind = close = nothing


class Ready(ReconnectingConnection):
    """A link that is told when a session has begun."""

    def ready(self) -> None:
        """Nobody waits for it."""


def publisher() -> Publisher:
    """One without a connection."""
    hello = Announcement("w", "k8s", "0", 0.0)
    return Publisher(Ready("amqp://nowhere", "test"), lambda: hello)


@asynccontextmanager
async def connected(publisher: Publisher, broker: Broker) -> AsyncIterator[None]:
    """A session over this connection."""
    session = asyncio.create_task(publisher.session(cast(Connection, broker)))
    try:
        yield
    finally:
        session.cancel()
        await asyncio.wait([session])


async def test_it_publishes_as_the_user_of_its_connection():
    """Whoever reads an outcome can rely on the broker that a worker wrote it."""
    us, broker = publisher(), Broker("worker-k8s")
    async with connected(us, broker), asyncio.timeout(WITHIN_S):
        await us.publish(MESSAGE)

    (message,) = broker.published
    assert message.user_id == "worker-k8s"
    assert (message.key, message.body) == (MESSAGE.key, MESSAGE.body)


async def test_before_it_is_connected_it_waits():
    us, broker = publisher(), Broker("worker")
    publishing = asyncio.create_task(us.publish(MESSAGE))
    await asyncio.sleep(0)
    assert not publishing.done()

    async with connected(us, broker), asyncio.timeout(WITHIN_S):
        await publishing
    assert len(broker.published) == 1


@pytest.mark.parametrize("failure", [ConnectionLost, NotDeclared, Refused])
async def test_what_failed_is_published_again_over_the_next_connection_as_its_user(failure):
    us, first, second = publisher(), Broker("old", failure("no")), Broker("new")
    async with connected(us, first):
        publishing = asyncio.create_task(us.publish(MESSAGE))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not publishing.done()
    async with connected(us, second), asyncio.timeout(WITHIN_S):
        await publishing

    assert first.published == []
    assert [message.user_id for message in second.published] == ["new"]


async def test_what_a_full_queue_refuses_is_told_and_costs_nothing_else():
    us, broker = publisher(), Broker("worker", Rejected("full"))
    async with connected(us, broker), asyncio.timeout(WITHIN_S):
        with pytest.raises(Rejected):
            await us.publish(MESSAGE)
        await us.publish(MESSAGE)

    assert [message.exchange for message in broker.published] == [topology.COMMANDS]


class Frozen(Broker):
    """A broker of which one node is frozen: it tells of no queue, and confirms no announcement."""

    def __init__(self) -> None:
        super().__init__("worker")
        self.has_repeated = asyncio.Event()
        self._announced = 0

    async def consumers(self, *_: Any, **__: Any) -> int:
        await self.lost()
        return 0

    async def publish(self, message: Message, *, mandatory: bool = False) -> None:
        if message.type == ATTENDANCE:
            self._announced += 1
            if self._announced == 2:
                self.has_repeated.set()
            await self.lost()
        await super().publish(message, mandatory=mandatory)


async def test_a_queue_that_does_not_answer_keeps_nothing_from_being_published_and_announced():
    broker, worker = Frozen(), publisher()

    async with connected(worker, broker), asyncio.timeout(WITHIN_S):
        await worker.publish(MESSAGE, mandatory=True)
        await broker.has_repeated.wait()

    assert [each.message_id for each in broker.published] == [MESSAGE.message_id]


class Channels(Broker):
    """A connection that knows its channels apart."""

    def __init__(self) -> None:
        super().__init__("worker")
        self.opened: list[Broker] = []

    async def channel(self) -> Broker:
        self.opened.append(Broker(self.user))
        return self.opened[-1]


async def test_outcomes_have_a_channel_to_themselves():
    """RabbitMQ 3.10 may number them by all that the channel published."""
    outcome = msgspec.structs.replace(MESSAGE, exchange=topology.OUTCOMES)
    broker, worker = Channels(), publisher()

    async with connected(worker, broker), asyncio.timeout(WITHIN_S):
        for message in (MESSAGE, outcome, MESSAGE, outcome):
            await worker.publish(message)

    exchanges = [[each.exchange for each in channel.published] for channel in broker.opened]
    assert [topology.OUTCOMES] * 2 in exchanges
    assert [topology.COMMANDS] * 2 in exchanges
