"""Dead letters of commands that can never be run, with a reason for publisher and operators."""

import asyncio
from typing import Any

import pytest

from contracts import topology
from contracts.outcomes import Result
from contracts.wire import HEADER_STATUS
from tests.worker import virtual
from tests.worker.ledger import SLOT, attending, event, request, working
from worker.partitions.runs import Disposition

SPOILED: dict[str, dict[str, Any]] = {
    "malformed": {"body": b"{}"},
    "under a wrong key": {"key": "k8s.0.controllers.default.b"},
    "a copy": {"headers": {"CC": "k8s.0.x"}},
    "not understood": {"type": "launch_rocket"},
    "without an id": {"message_id": ""},
    "with an empty idempotency key": {"headers": {"idempotency-key": ""}},
}


@pytest.mark.parametrize("changes", SPOILED.values(), ids=SPOILED)
def test_what_nobody_can_run_is_dead_answered_and_not_run(changes):
    async def test():
        async with working() as w:
            message = request(5, **changes)

            assert await w.run(message) is Disposition.ACKNOWLEDGE
            assert w.provider.asked == []
            assert (w.final.result, w.final.status) == (
                Result.DEAD,
                w.replies[0].headers[HEADER_STATUS],
            )
            assert w.final.fault is not None
            assert w.final.finished is not None
            letter = next(each for each in w.post.published if each.exchange == topology.DEAD)
            assert letter.headers["reason"] == w.final.fault.message
            assert letter.body == message.body
            assert letter.message_id == w.final.id

    virtual.run(test)


def test_the_dead_one_is_there_before_its_outcome_says_so():
    async def test():
        async with working() as w:
            w.post.seconds[topology.DEAD] = 5
            await w.run(event(5, body=b"{}"))

            assert w.log == ["dead-letter a-5", "dead a-5"]
            letter = w.post.published[0]
            assert letter.headers["queue"] == topology.partition_queue("k8s", SLOT)

    virtual.run(test)


def test_while_the_dead_ones_are_too_many_the_broker_is_left_to_end_it_and_it_is_answered():
    async def test():
        async with working() as w:
            w.post.refusing.add(topology.DEAD)

            assert await w.run(request(5, body=b"{}")) is Disposition.REJECT
            assert w.log == ["reply 400"]

    virtual.run(test)


def test_what_nobody_can_run_is_answered_however_long_its_dead_letter_takes():
    async def test():
        async with working() as w:
            w.post.seconds[topology.DEAD] = 3600
            ending = asyncio.create_task(w.run(request(5, body=b"{}")))
            await asyncio.sleep(1)

            assert w.log == ["reply 400"]
            assert await ending is Disposition.ACKNOWLEDGE

    virtual.run(test)


def test_what_workers_die_of_is_dead_at_its_tenth_delivery_and_answered():
    async def test():
        async with attending() as (scene, w):
            scene.last.hand_over(request(5), returns=9)
            await asyncio.sleep(1)

            assert w.provider.asked == []
            assert scene.last.settled == [("ack", "a-5")]
            assert w.log[-1] == "ack a-5"
            assert (w.final.result, w.final.status) == (Result.DEAD, 500)
            assert w.final.fault is not None
            assert "was delivered to workers 10 times" in w.final.fault.message
            assert w.replies[0].headers[HEADER_STATUS] == 500

    virtual.run(test)


def test_a_run_abandoned_while_it_dead_letters_is_dead_lettered_by_the_next_owner():
    async def test():
        async with attending(heard=False) as (scene, w):
            w.post.seconds[topology.DEAD] = 3600
            first = scene.last
            scene.last.hand_over(event(5, body=b"{}"))
            await asyncio.sleep(20)

            assert first.settled == []
            assert len(scene.channels) == 2

    virtual.run(test)
