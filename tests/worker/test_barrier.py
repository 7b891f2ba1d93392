"""The barrier: a command of a thing starts when the broker has handled the one before."""

import asyncio
from typing import Any, cast

from contracts.broker.channel import Channel
from tests.worker import virtual
from tests.worker.scene import SECOND, FakeChannel, scene
from worker.partitions.barrier import Barrier


class Slow:
    """A broker that takes a second for each answer; `asked` counts its questions."""

    def __init__(self) -> None:
        self.asked = 0

    async def round_trip(self) -> None:
        self.asked += 1
        await asyncio.sleep(SECOND)


def begun(log: list[tuple[str, Any]]) -> list[Any]:
    return [name for what, name in log if what == "begin"]


def test_the_next_of_a_thing_waits_until_the_broker_has_handled_the_acknowledgement(monkeypatch):
    """A lost one brings the older back, and it would be run again behind the newer."""

    async def test():
        monkeypatch.setattr(FakeChannel, "round_trip", lambda _: asyncio.sleep(3 * SECOND))
        async with scene() as s:
            s.last.deliver("a", 1)
            s.last.deliver("a", 2)
            await asyncio.sleep(3 * SECOND)
            assert s.log == ["ack a-1"]
            assert begun(s.platform.log) == ["a-1"]
            assert not s.partition.is_idle

            await asyncio.sleep(2 * SECOND)
            assert begun(s.platform.log) == ["a-1", "a-2"]

    virtual.run(test)


def test_a_partition_is_not_left_before_its_acknowledgements_are_handled(monkeypatch):
    async def test():
        monkeypatch.setattr(FakeChannel, "round_trip", lambda _: asyncio.sleep(0.5 * SECOND))
        async with scene() as s:
            s.last.deliver("a")
            await asyncio.sleep(1.1 * SECOND)
            s.partition.stop()
            await asyncio.sleep(0.2 * SECOND)
            assert not s.last.is_lost()

            await asyncio.sleep(0.5 * SECOND)
            assert s.last.is_lost()

    virtual.run(test)


def test_who_waits_at_the_same_time_shares_one_question_that_was_asked_after_all_of_them():
    async def test():
        slow = Slow()
        async with asyncio.TaskGroup() as group:
            barrier = Barrier(cast(Channel, slow), group)
            first = group.create_task(barrier.passed())
            await asyncio.sleep(0.5 * SECOND)
            others = [group.create_task(barrier.passed()) for _ in range(20)]
            await asyncio.sleep(SECOND)
            assert first.done()
            assert not any(other.done() for other in others), "theirs is asked after the first"

            await asyncio.gather(*others)
            assert slow.asked == 2

    virtual.run(test)


def test_on_a_lost_channel_nobody_passes():
    async def test():
        channel = FakeChannel([])
        channel.lose()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(Barrier(cast(Channel, channel), group).passed())
            await asyncio.sleep(5 * SECOND)
            assert not waiting.done()
            waiting.cancel()

    virtual.run(test)


def test_what_is_settled_is_forgotten_and_its_id_may_be_given_again():
    """A publisher that reuses an id would lose its second command when that is redelivered."""

    async def test():
        async with scene() as s:
            s.last.deliver("a", 1)
            await asyncio.sleep(2 * SECOND)
            s.last.deliver("a", 1, returns=1)
            await asyncio.sleep(4 * SECOND)

            assert begun(s.platform.log) == ["a-1", "a-1"]

    virtual.run(test)
