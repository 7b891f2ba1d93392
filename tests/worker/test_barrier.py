"""The barrier: a command starts after the broker has handled the acknowledgement before it."""

import asyncio
from typing import cast

from contracts.broker.channel import Channel
from tests.worker import virtual
from tests.worker.scene import SECOND, FakeChannel, scene
from worker.partitions.barrier import Barrier


class Slow:
    """A channel whose round trips take one second; `round_trips` counts them."""

    def __init__(self) -> None:
        self.round_trips = 0

    async def round_trip(self) -> None:
        self.round_trips += 1
        await asyncio.sleep(SECOND)


@virtual.time
async def test_the_next_command_of_an_address_waits_for_the_handled_acknowledgement(monkeypatch):
    """After a lost acknowledgement the older command would be run again, after the newer one."""
    monkeypatch.setattr(FakeChannel, "round_trip", lambda _: asyncio.sleep(3 * SECOND))
    async with scene() as s:
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        await asyncio.sleep(3 * SECOND)
        assert s.log == ["ack a-1"]
        assert s.platform.begun == ["a-1"]
        assert not s.partition.is_idle

        await asyncio.sleep(2 * SECOND)
        assert s.platform.begun == ["a-1", "a-2"]


@virtual.time
async def test_a_partition_is_not_left_before_its_acknowledgements_are_handled(monkeypatch):
    monkeypatch.setattr(FakeChannel, "round_trip", lambda _: asyncio.sleep(0.5 * SECOND))
    async with scene() as s:
        s.last.deliver("a")
        await asyncio.sleep(1.1 * SECOND)
        s.partition.stop()
        await asyncio.sleep(0.2 * SECOND)
        assert not s.last.is_lost()

        await asyncio.sleep(0.5 * SECOND)
        assert s.last.is_lost()


@virtual.time
async def test_concurrent_waiters_share_one_round_trip_that_starts_after_all_of_them():
    slow = Slow()
    async with asyncio.TaskGroup() as group:
        barrier = Barrier(cast(Channel, slow), group)
        first = group.create_task(barrier.passed())
        await asyncio.sleep(0.5 * SECOND)
        others = [group.create_task(barrier.passed()) for _ in range(20)]
        await asyncio.sleep(SECOND)
        assert first.done()
        assert not any(other.done() for other in others), "expected a second round trip"

        await asyncio.gather(*others)
        assert slow.round_trips == 2


@virtual.time
async def test_the_barrier_of_a_lost_channel_is_never_passed():
    channel = FakeChannel([])
    channel.lose()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(Barrier(cast(Channel, channel), group).passed())
        await asyncio.sleep(5 * SECOND)
        assert not waiting.done()
        waiting.cancel()


@virtual.time
async def test_a_settled_command_is_forgotten_so_that_its_id_may_be_reused():
    """Otherwise the redelivery of a second command with a reused id would not be run."""
    async with scene() as s:
        s.last.deliver("a", 1)
        await asyncio.sleep(2 * SECOND)
        s.last.deliver("a", 1, returns=1)
        await asyncio.sleep(4 * SECOND)

        assert s.platform.begun == ["a-1", "a-1"]
