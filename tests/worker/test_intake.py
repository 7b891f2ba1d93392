"""The intake: the partitions of a worker begin to consume one after another."""

import asyncio

from tests.worker import virtual
from tests.worker.scene import FakeChannel, Scene
from worker.partitions.capacity import LONGEST_TURN_S, Capacity


class Flooding(FakeChannel):
    """A channel with deliveries before each of the first three answers."""

    answers = 0

    async def round_trip(self) -> None:
        await asyncio.sleep(1)
        self.answers += 1
        if self.answers <= 3:
            self.deliver("a", self.answers)


def test_a_partition_begins_when_the_one_before_it_has_what_waited_for_it():
    async def test():
        async with asyncio.TaskGroup() as group:
            capacity = Capacity(64)
            scenes = [Scene(group, capacity=capacity, kind=Flooding) for _ in range(2)]
            async with scenes[0].consuming(group), scenes[1].consuming(group):
                await asyncio.sleep(3.5)
                assert [each.last.prefetch for each in scenes] == [6000, None]
                await asyncio.sleep(1)
                assert [each.last.prefetch for each in scenes] == [6000, 6000]

    virtual.run(test)


class Unanswered(FakeChannel):
    """A channel on which the broker answers nothing."""

    async def round_trip(self) -> None:
        await asyncio.get_running_loop().create_future()


def test_a_queue_that_does_not_answer_keeps_the_other_partitions_waiting_for_a_while_only():
    async def test():
        async with asyncio.TaskGroup() as group:
            capacity = Capacity(64)
            scenes = [Scene(group, capacity=capacity, kind=Unanswered) for _ in range(2)]
            async with scenes[0].consuming(group), scenes[1].consuming(group):
                await asyncio.sleep(LONGEST_TURN_S - 1)
                assert [each.last.prefetch for each in scenes] == [6000, None]
                await asyncio.sleep(2)
                assert [each.last.prefetch for each in scenes] == [6000, 6000]

    virtual.run(test)


def test_a_partition_that_is_lost_while_it_begins_ends_its_turn():
    async def test():
        async with asyncio.TaskGroup() as group:
            capacity = Capacity(64)
            first = Scene(group, capacity=capacity, kind=Unanswered)
            second = Scene(group, capacity=capacity)
            async with first.consuming(group):
                pass
            async with second.consuming(group):
                assert second.last.prefetch == 6000

    virtual.run(test)
