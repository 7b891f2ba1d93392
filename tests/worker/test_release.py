"""The release of a busy partition between two commands, without the loss of any."""

import asyncio
from typing import Any

from tests.worker import virtual
from tests.worker.scene import CONCURRENCY, SECOND, Platform, Scene, scene
from worker.partitions.capacity import Capacity
from worker.partitions.command import Command
from worker.partitions.runs import Disposition


@virtual.time
async def test_a_busy_partition_is_left_when_its_runs_end_within_a_second():
    async with scene() as s:
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        s.last.deliver("b", 1)
        await asyncio.sleep(0.5)
        s.partition.release()
        await asyncio.sleep(0.4)
        assert len(s.channels) == 1

        await asyncio.sleep(0.2)
        assert len(s.channels) == 2
        assert s.platform.begun == ["a-1", "b-1"]
        assert sorted(s.log) == ["ack a-1", "ack b-1"]


@virtual.time
async def test_the_waiting_commands_of_a_released_partition_run_after_redelivery():
    async with scene() as s:
        for number in (1, 2, 3):
            s.last.deliver("a", number)
        await asyncio.sleep(0.5)
        s.partition.release()
        await asyncio.sleep(0.6)
        s.last.deliver("a", 2, returns=1)
        s.last.deliver("a", 3, returns=1)
        await asyncio.sleep(10 * SECOND)

        assert s.platform.begun == ["a-1", "a-2", "a-3"]
        assert s.log == ["ack a-1", "ack a-2", "ack a-3"]


@virtual.time
async def test_no_command_starts_while_a_partition_is_left_slowly():
    """A command that started meanwhile would be cut, and run again by the next owner."""
    async with scene() as s:
        s.last.seconds_to_leave = 5 * SECOND
        s.last.deliver("a", 1)
        await asyncio.sleep(0.5)
        s.partition.release()
        s.last.deliver("b", 1)
        await asyncio.sleep(4 * SECOND)

        assert s.platform.begun == ["a-1"]


@virtual.time
async def test_a_partition_is_kept_if_a_command_runs_for_longer_than_a_second():
    async with scene() as s:
        s.platform.seconds = 3 * SECOND
        s.last.deliver("a", 1)
        await asyncio.sleep(0.5)
        s.partition.release()
        s.last.deliver("b", 1)
        await asyncio.sleep(0.9)
        assert s.platform.begun == ["a-1"]

        await asyncio.sleep(0.2)
        assert s.platform.begun == ["a-1", "b-1"]
        await asyncio.sleep(5 * SECOND)
        assert len(s.channels) == 1
        assert s.log == ["ack a-1", "ack b-1"]


@virtual.time
async def test_a_partition_is_not_released_before_its_redelivered_commands_are_done():
    """Otherwise two workers would pass it back and forth, until it counts as a poison message."""
    async with scene() as s:
        s.last.deliver("a", 1, returns=1)
        s.last.deliver("a", 2)
        await asyncio.sleep(0.1)
        s.partition.release()
        await asyncio.sleep(3.1 * SECOND)
        assert len(s.channels) == 1
        assert s.platform.begun == ["a-1", "a-2"]

        s.partition.release()
        await asyncio.sleep(1 * SECOND)
        assert len(s.channels) == 2


@virtual.time
async def test_commands_that_wait_for_a_release_do_not_use_capacity():
    async with asyncio.TaskGroup() as group:
        capacity = Capacity(CONCURRENCY)
        left = Scene(group, capacity=capacity)
        other = Scene(group, capacity=capacity)
        left.platform.seconds = 3 * SECOND
        async with left.consuming(group), other.consuming(group):
            left.last.deliver("a")
            await asyncio.sleep(0.1)
            left.partition.release()
            for number in range(2 * CONCURRENCY):
                left.last.deliver(f"controller-{number}")
            await asyncio.sleep(0.1)
            arrived_at = virtual.now()
            other.last.deliver("b")
            await asyncio.sleep(0.5)

            assert other.platform.began_at["b-0"] - arrived_at < 0.1


@virtual.time
async def test_a_command_that_waits_for_capacity_does_not_start_during_a_release():
    async with asyncio.TaskGroup() as group:
        capacity = Capacity(1)
        left = Scene(group, capacity=capacity)
        other = Scene(group, capacity=capacity)
        left.platform.seconds = other.platform.seconds = 0.4 * SECOND
        async with left.consuming(group), other.consuming(group):
            other.last.deliver("b")
            await asyncio.sleep(0.1)
            left.last.deliver("a", 1)
            left.last.deliver("c", 1)
            await asyncio.sleep(0.5)
            assert left.platform.begun == ["a-1"]
            left.partition.release()
            await asyncio.sleep(2 * SECOND)

            assert left.platform.begun == ["a-1"]
            assert len(left.channels) == 2


@virtual.time
async def test_a_command_that_waited_for_a_release_needs_an_open_fence():
    async with scene() as s:
        s.platform.seconds = 20 * SECOND
        s.last.deliver("a")
        await asyncio.sleep(7.5 * SECOND)
        s.partition.release()
        s.last.deliver("b")
        await asyncio.sleep(2 * SECOND)

        assert s.platform.begun == ["a-0"]


class Slow(Platform):
    """A platform with slow dead letters."""

    async def dead_letter(self, command: Command, fault: Any) -> Disposition:
        disposition = await super().dead_letter(command, fault)
        await asyncio.sleep(0.5)
        return disposition


@virtual.time
async def test_a_stopped_partition_waits_for_a_dead_letter():
    slow = Slow()
    async with scene(work=slow) as s:
        s.last.deliver("a", returns=9)
        await asyncio.sleep(0.1)
        s.partition.stop()
        await asyncio.sleep(0.2)
        assert not s.last.is_lost(), "expected the channel to be open until the dead letter"

        await asyncio.sleep(0.4)
        assert s.log == ["ack a-0"]
        assert s.last.is_lost()


@virtual.time
async def test_a_redelivery_joins_the_run_of_a_dead_letter():
    slow = Slow()
    async with scene(work=slow) as s:
        s.last.deliver("a", returns=9)
        await asyncio.sleep(0.1)
        s.partition.leave()
        await asyncio.sleep(0.1)
        s.last.deliver("a", returns=10)
        await asyncio.sleep(5 * SECOND)

        assert slow.log == [("dead_letter", "a-0")]
        assert s.log == ["ack a-0"]


@virtual.time
async def test_no_command_overtakes_one_whose_acknowledgement_failed():
    """An acknowledgement may fail before `channel.lost()` returns."""
    async with scene() as s:
        lost = s.last
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        await asyncio.sleep(0.5)
        lost.fails_quietly = True
        await asyncio.sleep(1)
        lost.deliver("a", 3)
        await asyncio.sleep(2)

        assert s.platform.begun == ["a-1"]


@virtual.time
async def test_a_delivery_to_a_partition_that_is_left_is_run_by_the_next_owner_only():
    async with scene() as s:
        s.partition.leave()
        s.last.deliver("a", 1)
        await asyncio.sleep(5 * SECOND)

        assert len(s.channels) == 2
        assert s.platform.begun == []


@virtual.time
async def test_a_stopped_partition_starts_other_commands_during_a_long_one():
    """Until the end of an unresponsive call, other commands would miss their deadlines."""
    async with scene() as s:
        s.platform.seconds = 20 * SECOND
        s.last.deliver("slow", 1)
        await asyncio.sleep(0.5)
        s.platform.seconds = 0.1 * SECOND
        s.partition.stop()
        for number in range(1, 9):
            s.fence.answered()
            s.last.deliver("a", number)
            await asyncio.sleep(2 * SECOND)
            assert s.platform.begun[-1] == f"a-{number}"
        assert not s.last.is_lost()

        await asyncio.sleep(5 * SECOND)
        assert s.last.is_lost()
        assert s.log[-1] == "ack slow-1"
        assert len(s.channels) == 1


@virtual.time
async def test_releases_for_the_balance_do_not_keep_a_stopped_partition_from_starting_commands():
    async with scene() as s:
        s.platform.seconds = 20 * SECOND
        s.last.deliver("slow", 1)
        await asyncio.sleep(0.5)
        s.platform.seconds = 0.1 * SECOND
        s.partition.release()
        await asyncio.sleep(1)
        s.partition.stop()
        for number in range(1, 9):
            s.fence.answered()
            s.last.deliver("a", number)
            await asyncio.sleep(1 * SECOND)
            s.partition.release()
            await asyncio.sleep(1 * SECOND)
            assert s.platform.begun[-1] == f"a-{number}"


@virtual.time
async def test_a_busy_partition_is_left_within_a_second_when_stopped():
    async with scene() as s:
        s.platform.seconds = 0.3 * SECOND

        async def keep_busy() -> None:
            number = 0
            while not s.last.is_lost():
                s.last.deliver(f"controller-{number}")
                number += 1
                await asyncio.sleep(0.1)

        busy = asyncio.create_task(keep_busy())
        await asyncio.sleep(1)
        s.partition.stop()
        await asyncio.sleep(0.4)

        assert s.last.is_lost()
        assert s.platform.overlaps() > 0
        assert len(s.platform.begun) == len(s.log)
        await busy


@virtual.time
async def test_a_stopped_partition_is_left_after_its_redelivered_commands():
    async with scene() as s:
        s.last.deliver("a", 1, returns=1)
        s.last.deliver("a", 2)
        await asyncio.sleep(0.1)
        s.partition.stop(15)
        await asyncio.sleep(2.5 * SECOND)
        assert s.platform.begun == ["a-1"]

        await asyncio.sleep(1 * SECOND)
        assert s.platform.begun == ["a-1"]
        assert s.log == ["ack a-1"]
        assert s.last.is_lost()


@virtual.time
async def test_redelivered_commands_keep_a_stopped_partition_for_a_limited_time():
    async with scene() as s:
        for number in range(20):
            s.last.deliver("a", number, returns=1)
        s.partition.stop(6)
        await asyncio.sleep(5 * SECOND)
        assert not s.last.is_lost()

        await asyncio.sleep(5 * SECOND)
        assert s.last.is_lost()
        assert len(s.platform.begun) == len(s.log) < 20


@virtual.time
async def test_the_wait_for_a_stopped_partition_ends_when_it_is_left_or_was_never_consumed():
    async with scene() as s:
        s.last.deliver("a", 1)
        await asyncio.sleep(0.5)
        s.partition.stop()
        await s.partition.left()

        assert s.log == ["ack a-1"]
        assert s.last.is_lost()
    async with asyncio.TaskGroup() as group:
        never = Scene(group).partition
        never.stop()
        await never.left()
