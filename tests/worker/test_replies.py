"""Replies: a broker that refuses one costs that reply and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from contracts.broker.attendance import Announcement
from contracts.broker.errors import BrokerError, NotDeclared, Refused, Rejected
from contracts.broker.link import Connection, Link
from contracts.topology import ATTENDANCE
from contracts.wire import Message, Reply
from tests.examples import EXAMPLES, message_of
from worker.publisher import Publisher
from worker.replies import Replies

REQUEST = message_of(EXAMPLES["get_machines"])
HELLO = Announcement("w", "k8s", "0", 0.0)


class Broker:
    """A connection and its only channel; refuses whatever is a reply."""

    is_closed = False
    user = "worker"

    def __init__(self, refusal: BrokerError) -> None:
        self._refusal = refusal

    async def channel(self) -> "Broker":
        return self

    async def publish(self, message: Message) -> None:
        if message.type != ATTENDANCE:
            raise self._refusal

    async def lost(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def nothing(self, *_: Any, **__: Any) -> int:
        """Let it be declared."""
        return 0

    has_exchange = consumers = bind = close = nothing


class Up(Link):
    """A link that tells when its session has begun."""

    def __init__(self) -> None:
        super().__init__("amqp://nowhere", "test")
        self.is_ready = asyncio.Event()

    def ready(self) -> None:
        self.is_ready.set()


@asynccontextmanager
async def replies_over(broker: Broker) -> AsyncIterator[Replies]:
    """Replies in a session."""
    link = Up()
    publisher = Publisher(link, lambda: HELLO)
    session = asyncio.create_task(publisher.session(cast(Connection, broker)))
    await link.is_ready.wait()
    yield Replies("w", publisher)
    session.cancel()


@pytest.mark.parametrize("refusal", [Rejected("full"), NotDeclared("gone"), Refused("no right")])
async def test_a_reply_that_the_broker_refuses_is_dropped_and_the_worker_lives(refusal):
    """An error would end the task group that everything in the process runs in."""
    async with replies_over(Broker(refusal)) as replies:
        await replies.send(REQUEST, Reply(200, b"{}"), time.monotonic() + 1)
