"""The timeout of publisher confirms: a missing confirm is detected, a late one is not."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.broker.channel import Channel
from contracts.broker.connection import CONFIRM_TIMEOUT_S, Connection
from contracts.broker.errors import ConnectionLost
from tests.producer import scale_event
from tests.worker import virtual


class Raw:
    """A stand-in for the library's connection and channel, which confirms on request."""

    number = 1
    is_closed = False
    _close_exception = None
    delivery_tag = 0
    connection = SimpleNamespace(connection_tune=SimpleNamespace(frame_max=131_072))

    def __init__(self) -> None:
        self.on_consumer_cancel_callbacks: set[Callable[[Any], None]] = set()
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.confirmations: dict[int, asyncio.Future[None]] = {}
        self.message_id_delivery_tag: dict[str, int] = {}

    async def ready(self) -> None:
        await self.unblocked.wait()

    def create_future(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def write(self, data: bytes, most: int = 0) -> None:
        """Send nothing."""

    def confirm(self) -> None:
        """Confirm the oldest unconfirmed message."""
        self.confirmations.pop(min(self.confirmations)).set_result(None)


class Scene:
    """A channel with a running check of its confirms."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.raw = Raw()
        self.channel = Channel(cast(Any, self.raw), self.raw.write)
        connection = Connection(cast(Any, self.raw), None, self.raw.write)
        self.watching = group.create_task(connection.confirms(self.channel))
        self._group = group

    async def publish(self, number: int) -> None:
        """Publish without waiting for the confirm."""
        self._group.create_task(self.channel.publish(scale_event("hello", number)))
        await asyncio.sleep(0)


async def seconds(number: float) -> None:
    """Advance the virtual clock."""
    await asyncio.sleep(number)


@virtual.time
async def test_a_missing_confirm_raises_connection_lost() -> None:
    with pytest.RaisesGroup(ConnectionLost):
        async with asyncio.TaskGroup() as group:
            scene = Scene(group)
            await scene.publish(1)
            await seconds(CONFIRM_TIMEOUT_S + 2)
            raise AssertionError("the missing confirm was not detected")


@pytest.mark.parametrize("trouble", ["none", "slow", "blocked"])
@virtual.time
async def test_a_broker_that_confirms_late_or_blocks_publishers_does_not_time_out(
    trouble: str,
) -> None:
    async with asyncio.TaskGroup() as group:
        scene = Scene(group)
        if trouble == "blocked":
            scene.raw.unblocked.clear()
        for number in range(5 if trouble != "none" else 0):
            await scene.publish(number)
        for _ in range(5 if trouble == "slow" else 0):
            await seconds(CONFIRM_TIMEOUT_S - 2)
            scene.raw.confirm()
        await seconds(100 if trouble != "slow" else 1)

        assert not scene.watching.done()
        scene.watching.cancel()
        for _ in range(5 if trouble == "blocked" else 0):
            scene.raw.confirm()


async def test_two_messages_with_the_same_id_are_confirmed_separately() -> None:
    raw = Raw()
    channel = Channel(cast(Any, raw), raw.write)
    event = scale_event("hello", 1)
    async with asyncio.TaskGroup() as group:
        first, second = [group.create_task(channel.publish(event)) for _ in range(2)]
        await asyncio.sleep(0)
        raw.confirm()
        await first
        waiting = channel.unconfirmed
        raw.confirm()
        await second

    assert waiting == (2, event.message_id)
    assert channel.unconfirmed is None
    assert raw.message_id_delivery_tag == {}
