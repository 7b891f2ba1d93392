"""Superseding that is interrupted: nothing is settled, nothing overtakes, nothing runs twice."""

import asyncio

from contracts.outcomes import Result
from tests.worker import virtual
from tests.worker.ledger import attending, busy, event


def test_what_could_not_be_superseded_comes_back_before_the_newest():
    """The channel is lost while it is told: nothing is settled, and the newest never starts."""

    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            w.post.seconds["superseded"] = 3600
            scene.last.hand_over(event(2))
            scene.last.hand_over(event(3))
            await asyncio.sleep(0.1)
            scene.partition.leave()
            await asyncio.sleep(10)

            assert w.log == ["started a-1", "call 1", "done a-1"]
            w.post.seconds.clear()
            for replicas in (1, 2, 3):
                scene.last.hand_over(event(replicas), returns=1)
            await asyncio.sleep(10)
            assert w.called == ["1", "2", "3"]
            assert scene.last.settled == [("ack", "a-1"), ("ack", "a-2"), ("ack", "a-3")]

    virtual.run(test)


def test_a_closed_fence_settles_nothing_and_lets_nothing_overtake():
    async def test():
        async with attending(heard=False) as (scene, w):
            await busy(scene, w)
            w.post.seconds["superseded"] = 14.5
            first = scene.last
            await asyncio.sleep(5)
            scene.last.hand_over(event(2, "j"))
            await asyncio.sleep(0.1)
            scene.last.hand_over(event(3, "j"))
            scene.last.hand_over(event(4, "j"))
            await asyncio.sleep(30)

            assert [name for _, name in first.settled] == ["a-1", "j-2"]
            assert w.results("j-3") == w.results("j-4") == []
            assert len(scene.channels) == 2

    virtual.run(test)


def test_what_was_superseded_here_is_only_acknowledged_when_it_comes_back():
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            w.post.seconds["superseded"] = 0.5
            scene.last.hand_over(event(2))
            scene.last.hand_over(event(3))
            await asyncio.sleep(0.1)
            scene.partition.leave()
            await asyncio.sleep(0.1)
            scene.last.hand_over(event(2), returns=1)
            scene.last.hand_over(event(3), returns=1)
            await asyncio.sleep(10)

            assert w.results("a-2") == [Result.SUPERSEDED]
            assert w.results("a-3") == [Result.STARTED, Result.DONE]
            assert scene.last.settled == [("ack", "a-2"), ("ack", "a-3")]

    virtual.run(test)


def test_a_partition_is_not_left_while_what_was_just_superseded_is_told():
    async def test():
        async with attending() as (scene, w):
            w.fence.shut()  # nothing is started, so that nothing else keeps the partition
            w.post.seconds["superseded"] = 0.5
            first = scene.last
            for replicas in (1, 2, 3):
                first.hand_over(event(replicas))
            scene.partition.release()
            await asyncio.sleep(0.9)

            assert w.results("a-2") == [Result.SUPERSEDED]
            assert first.settled == [("ack", "a-2")]
            assert len(scene.channels) == 2

    virtual.run(test)
