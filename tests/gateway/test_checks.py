"""A gateway's checks of its replies queue, on a fake broker."""

import asyncio
from typing import Any, cast

import pytest

from contracts.broker.attendance import Attendance
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, Unroutable
from contracts.topology import ATTENDANCE, Topology
from contracts.wire import Message
from gateway.calls.checks import Checks

REPLIES = "machinist.replies.gateway.1"
ROUNDS = 3
WITHIN_S = 60


class Broker:
    """A connection and its only channel; announcements arrive but are never confirmed."""

    is_closed = False
    user = "gateway"

    def __init__(self, checks: Checks, *, is_bound: bool = True) -> None:
        self.has_repeated = asyncio.Event()
        self._rounds = 0
        self._checks = checks
        self._is_bound = is_bound

    async def channel(self) -> "Broker":
        return self

    async def publish(self, message: Message, *, mandatory: bool = False) -> None:
        if not self._is_bound:
            raise Unroutable(message.key)
        self._checks.hear(message)
        if message.key == ATTENDANCE:
            self._rounds += 1
            if self._rounds == ROUNDS:
                self.has_repeated.set()
            await asyncio.get_running_loop().create_future()

    async def accept(self, *_: Any, **__: Any) -> int:
        """Accept a declaration."""
        return 0

    has_exchange = consumers = bind = unbind = close = accept


async def test_an_unconfirmed_announcement_that_arrives_keeps_the_connection() -> None:
    checks = Checks(Attendance([]), every_s=0.1)
    broker = Broker(checks)
    running = asyncio.create_task(checks.run(cast(Connection, broker), Topology(), REPLIES))

    async with asyncio.timeout(WITHIN_S):
        await broker.has_repeated.wait()

    assert not running.done()
    assert not checks.missing()
    running.cancel()


async def test_an_unreachable_replies_queue_ends_the_connection() -> None:
    checks = Checks(Attendance([]), every_s=0.1)
    broker = Broker(checks, is_bound=False)

    with pytest.raises(ConnectionLost, match=REPLIES):
        async with asyncio.timeout(WITHIN_S):
            await checks.run(cast(Connection, broker), Topology(), REPLIES)
