"""The intake: the partitions of a worker begin to consume one after another."""

import asyncio

from tests.worker import virtual
from tests.worker.scene import FakeChannel, Scene
from worker.partitions.capacity import LONGEST_TURN_S, Capacity


class Flooding(FakeChannel):
    """A channel with deliveries during each of the first three round trips."""

    answers = 0

    async def round_trip(self) -> None:
        await asyncio.sleep(1)
        self.answers += 1
        if self.answers <= 3:
            self.deliver("a", self.answers)


@virtual.time
async def test_a_partition_begins_after_the_previous_one_received_its_waiting_messages():
    async with asyncio.TaskGroup() as group:
        capacity = Capacity(64)
        scenes = [Scene(group, capacity=capacity, kind=Flooding) for _ in range(2)]
        async with scenes[0].consuming(group), scenes[1].consuming(group):
            await asyncio.sleep(3.5)
            assert [each.last.prefetch for each in scenes] == [6000, None]
            await asyncio.sleep(1)
            assert [each.last.prefetch for each in scenes] == [6000, 6000]


class Unanswered(FakeChannel):
    """A channel on which the broker does not answer."""

    async def round_trip(self) -> None:
        await asyncio.get_running_loop().create_future()


@virtual.time
async def test_a_queue_without_answers_delays_other_partitions_by_one_turn():
    async with asyncio.TaskGroup() as group:
        capacity = Capacity(64)
        scenes = [Scene(group, capacity=capacity, kind=Unanswered) for _ in range(2)]
        async with scenes[0].consuming(group), scenes[1].consuming(group):
            await asyncio.sleep(LONGEST_TURN_S - 1)
            assert [each.last.prefetch for each in scenes] == [6000, None]
            await asyncio.sleep(2)
            assert [each.last.prefetch for each in scenes] == [6000, 6000]


@virtual.time
async def test_a_partition_lost_during_its_turn_ends_the_turn():
    async with asyncio.TaskGroup() as group:
        capacity = Capacity(64)
        first = Scene(group, capacity=capacity, kind=Unanswered)
        second = Scene(group, capacity=capacity)
        async with first.consuming(group):
            pass
        async with second.consuming(group):
            assert second.last.prefetch == 6000
