"""Interrupted superseding: no command is settled, overtaken or run twice."""

import asyncio

from contracts.outcomes import Result
from tests.worker import virtual
from tests.worker.ledger import attending, busy, event


@virtual.time
async def test_a_command_whose_superseding_was_cut_runs_before_the_newest():
    """The channel is lost before the outcome is confirmed."""
    async with attending() as (scene, w):
        await busy(scene, w)
        w.publisher.seconds["superseded"] = 3600
        scene.last.deliver_message(event(2))
        scene.last.deliver_message(event(3))
        await asyncio.sleep(0.1)
        scene.partition.leave()
        await asyncio.sleep(10)

        assert w.log == ["started a-1", "call 1", "done a-1"]
        w.publisher.seconds.clear()
        for replicas in (1, 2, 3):
            scene.last.deliver_message(event(replicas), returns=1)
        await asyncio.sleep(10)
        assert w.called == ["1", "2", "3"]
        assert scene.last.settled == [("ack", "a-1"), ("ack", "a-2"), ("ack", "a-3")]


@virtual.time
async def test_behind_a_closed_fence_no_superseded_command_is_settled_or_overtaken():
    async with attending(is_connected=False) as (scene, w):
        await busy(scene, w)
        w.publisher.seconds["superseded"] = 14.5
        first = scene.last
        await asyncio.sleep(5)
        scene.last.deliver_message(event(2, "j"))
        await asyncio.sleep(0.1)
        scene.last.deliver_message(event(3, "j"))
        scene.last.deliver_message(event(4, "j"))
        await asyncio.sleep(30)

        assert [name for _, name in first.settled] == ["a-1", "j-2"]
        assert w.results("j-3") == w.results("j-4") == []
        assert len(scene.channels) == 2


@virtual.time
async def test_the_redelivery_of_a_superseded_command_is_only_acknowledged():
    async with attending() as (scene, w):
        await busy(scene, w)
        w.publisher.seconds["superseded"] = 0.5
        scene.last.deliver_message(event(2))
        scene.last.deliver_message(event(3))
        await asyncio.sleep(0.1)
        scene.partition.leave()
        await asyncio.sleep(0.1)
        scene.last.deliver_message(event(2), returns=1)
        scene.last.deliver_message(event(3), returns=1)
        await asyncio.sleep(10)

        assert w.results("a-2") == [Result.SUPERSEDED]
        assert w.results("a-3") == [Result.STARTED, Result.DONE]
        assert scene.last.settled == [("ack", "a-2"), ("ack", "a-3")]


@virtual.time
async def test_a_partition_is_not_left_before_a_superseded_command_is_recorded():
    async with attending() as (scene, w):
        w.fence.shut()  # no command starts, so that no run keeps the partition
        w.publisher.seconds["superseded"] = 0.5
        first = scene.last
        for replicas in (1, 2, 3):
            first.deliver_message(event(replicas))
        scene.partition.release()
        await asyncio.sleep(0.9)

        assert w.results("a-2") == [Result.SUPERSEDED]
        assert first.settled == [("ack", "a-2")]
        assert len(scene.channels) == 2
