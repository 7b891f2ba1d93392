"""A busy partition is given away in a pause between its commands, and nothing is lost by it."""

import asyncio
from typing import Any

from tests.worker import virtual
from tests.worker.scene import CONCURRENCY, SECOND, Platform, Scene, scene
from worker.partitions.capacity import Capacity
from worker.partitions.command import Command
from worker.partitions.runs import Disposition


def begun(platform: Platform) -> list[str]:
    """What was started, in order."""
    return [name for what, name in platform.log if what == "begin"]


def test_a_busy_partition_is_left_as_soon_as_what_runs_ends_within_a_second():
    async def test():
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
            assert begun(s.platform) == ["a-1", "b-1"]
            assert sorted(s.log) == ["ack a-1", "ack b-1"]

    virtual.run(test)


def test_what_it_held_is_run_by_whom_it_is_delivered_to_next():
    async def test():
        async with scene() as s:
            for number in (1, 2, 3):
                s.last.deliver("a", number)
            await asyncio.sleep(0.5)
            s.partition.release()
            await asyncio.sleep(0.6)
            s.last.deliver("a", 2, returns=1)
            s.last.deliver("a", 3, returns=1)
            await asyncio.sleep(10 * SECOND)

            assert begun(s.platform) == ["a-1", "a-2", "a-3"]
            assert s.log == ["ack a-1", "ack a-2", "ack a-3"]

    virtual.run(test)


def test_nothing_starts_any_more_while_a_busy_process_leaves_slowly():
    """A command that started then would be cut, and run again by the next owner."""

    async def test():
        async with scene() as s:
            s.last.seconds_to_leave = 5 * SECOND
            s.last.deliver("a", 1)
            await asyncio.sleep(0.5)
            s.partition.release()
            s.last.deliver("b", 1)
            await asyncio.sleep(4 * SECOND)

            assert begun(s.platform) == ["a-1"]

    virtual.run(test)


def test_it_goes_on_if_something_runs_for_longer():
    async def test():
        async with scene() as s:
            s.platform.seconds = 3 * SECOND
            s.last.deliver("a", 1)
            await asyncio.sleep(0.5)
            s.partition.release()
            s.last.deliver("b", 1)
            await asyncio.sleep(0.9)
            assert begun(s.platform) == ["a-1"]

            await asyncio.sleep(0.2)
            assert begun(s.platform) == ["a-1", "b-1"]
            await asyncio.sleep(5 * SECOND)
            assert len(s.channels) == 1
            assert s.log == ["ack a-1", "ack b-1"]

    virtual.run(test)


def test_what_was_taken_over_is_not_given_on_before_it_is_done():
    """Two workers would hand it to and fro, until it counts as what ends workers."""

    async def test():
        async with scene() as s:
            s.last.deliver("a", 1, returns=1)
            s.last.deliver("a", 2)
            await asyncio.sleep(0.1)
            s.partition.release()
            await asyncio.sleep(3.1 * SECOND)
            assert len(s.channels) == 1
            assert begun(s.platform) == ["a-1", "a-2"]

            s.partition.release()
            await asyncio.sleep(1 * SECOND)
            assert len(s.channels) == 2

    virtual.run(test)


def test_what_it_keeps_waiting_takes_no_place_of_other_partitions():
    async def test():
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
                    left.last.deliver(f"thing-{number}")
                await asyncio.sleep(0.1)
                came_at = virtual.now()
                other.last.deliver("b")
                await asyncio.sleep(0.5)

                assert other.platform.began_at["b-0"] - came_at < 0.1

    virtual.run(test)


def test_what_waited_for_a_place_meanwhile_does_not_start_either():
    async def test():
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
                assert begun(left.platform) == ["a-1"]
                left.partition.release()
                await asyncio.sleep(2 * SECOND)

                assert begun(left.platform) == ["a-1"]
                assert len(left.channels) == 2

    virtual.run(test)


def test_what_waited_to_be_released_still_needs_an_open_fence():
    async def test():
        async with scene() as s:
            s.platform.seconds = 20 * SECOND
            s.last.deliver("a")
            await asyncio.sleep(7.5 * SECOND)
            s.partition.release()
            s.last.deliver("b")
            await asyncio.sleep(2 * SECOND)

            assert begun(s.platform) == ["a-0"]

    virtual.run(test)


class Slow(Platform):
    """Dead-letters slowly."""

    async def dead_letter(self, command: Command, fault: Any) -> Disposition:
        disposition = await super().dead_letter(command, fault)
        await asyncio.sleep(0.5)
        return disposition


def test_a_dead_letter_under_way_is_waited_for_and_not_repeated():
    async def test():
        slow = Slow()
        async with scene(work=slow) as s:
            s.last.deliver("a", returns=9)
            await asyncio.sleep(0.1)
            s.partition.stop()
            await asyncio.sleep(0.2)
            assert not s.last.is_lost(), "it is under way"

            await asyncio.sleep(0.4)
            assert s.log == ["ack a-0"]
            assert s.last.is_lost()

    virtual.run(test)


def test_a_dead_letter_under_way_is_joined_by_the_redelivery():
    async def test():
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

    virtual.run(test)


def test_what_comes_after_a_failed_acknowledgement_does_not_overtake():
    """The loss of a channel is known to whoever settles before it is known to its watch."""

    async def test():
        async with scene() as s:
            lost = s.last
            s.last.deliver("a", 1)
            s.last.deliver("a", 2)
            await asyncio.sleep(0.5)
            lost.fails_quietly = True
            await asyncio.sleep(1)
            lost.deliver("a", 3)
            await asyncio.sleep(2)

            assert begun(s.platform) == ["a-1"]

    virtual.run(test)


def test_what_comes_while_it_is_left_is_for_the_next_owner_alone():
    async def test():
        async with scene() as s:
            s.partition.leave()
            s.last.deliver("a", 1)
            await asyncio.sleep(5 * SECOND)

            assert len(s.channels) == 2
            assert begun(s.platform) == []

    virtual.run(test)
