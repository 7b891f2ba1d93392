"""The publisher: `publish` returns when the broker has confirmed the message."""

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
from worker.messages.publisher import Publisher

MESSAGE = message_of(EXAMPLES["update_controller_replicas"], user_id="other")
WITHIN_S = 60


class Broker:
    """A connection and its only channel; raises these failures first."""

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

    async def accept(self, *_: Any, **__: Any) -> int:
        """Accept a declaration."""
        return 0

    async def pulse(self) -> None:
        await self.lost()

    async def confirms(self, channel: "Broker") -> None:
        await self.lost()

    has_exchange = consumers = bind = unbind = close = accept


class Ready(ReconnectingConnection):
    """A connection that is always ready."""

    def ready(self) -> None:
        pass


def publisher() -> Publisher:
    """Return a publisher without a connection."""
    announcement = Announcement("w", "k8s", "0", 0.0)
    return Publisher(Ready("amqp://nowhere", "test"), lambda: announcement)


@asynccontextmanager
async def connected(publisher: Publisher, broker: Broker) -> AsyncIterator[None]:
    """Run a session over this connection."""
    session = asyncio.create_task(publisher.session(cast(Connection, broker)))
    try:
        yield
    finally:
        session.cancel()
        await asyncio.wait([session])


async def test_a_message_has_the_user_of_the_connection():
    """The broker checks `user_id`: it proves to readers of an outcome that a worker wrote it."""
    us, broker = publisher(), Broker("worker-k8s")
    async with connected(us, broker), asyncio.timeout(WITHIN_S):
        await us.publish(MESSAGE)

    (message,) = broker.published
    assert message.user_id == "worker-k8s"
    assert (message.key, message.body) == (MESSAGE.key, MESSAGE.body)


async def test_a_message_waits_for_the_connection():
    us, broker = publisher(), Broker("worker")
    publishing = asyncio.create_task(us.publish(MESSAGE))
    await asyncio.sleep(0)
    assert not publishing.done()

    async with connected(us, broker), asyncio.timeout(WITHIN_S):
        await publishing
    assert len(broker.published) == 1


@pytest.mark.parametrize("failure", [ConnectionLost, NotDeclared, Refused])
async def test_a_failed_message_is_published_again_as_the_user_of_the_next_connection(failure):
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


async def test_a_rejected_message_raises_and_the_next_one_is_published():
    us, broker = publisher(), Broker("worker", Rejected("full"))
    async with connected(us, broker), asyncio.timeout(WITHIN_S):
        with pytest.raises(Rejected):
            await us.publish(MESSAGE)
        await us.publish(MESSAGE)

    assert [message.exchange for message in broker.published] == [topology.COMMANDS]


class Frozen(Broker):
    """A broker with a frozen node: no answer for queues, no confirm for announcements."""

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


async def test_a_queue_without_answers_does_not_block_messages_and_announcements():
    broker, worker = Frozen(), publisher()

    async with connected(worker, broker), asyncio.timeout(WITHIN_S):
        await worker.publish(MESSAGE, mandatory=True)
        await broker.has_repeated.wait()

    assert [each.message_id for each in broker.published] == [MESSAGE.message_id]


class Channels(Broker):
    """A connection with separate channels."""

    def __init__(self) -> None:
        super().__init__("worker")
        self.opened: list[Broker] = []

    async def channel(self) -> Broker:
        self.opened.append(Broker(self.user))
        return self.opened[-1]


async def test_outcomes_have_a_channel_of_their_own():
    """RabbitMQ 3.10 may number outcomes by all messages that their channel published."""
    outcome = msgspec.structs.replace(MESSAGE, exchange=topology.OUTCOMES)
    broker, worker = Channels(), publisher()

    async with connected(worker, broker), asyncio.timeout(WITHIN_S):
        for message in (MESSAGE, outcome, MESSAGE, outcome):
            await worker.publish(message)

    exchanges = [[each.exchange for each in channel.published] for channel in broker.opened]
    assert [topology.OUTCOMES] * 2 in exchanges
    assert [topology.COMMANDS] * 2 in exchanges
