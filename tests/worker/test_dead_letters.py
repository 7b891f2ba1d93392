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

INVALID: dict[str, dict[str, Any]] = {
    "malformed": {"body": b"{}"},
    "under a wrong key": {"key": "k8s.0.controllers.default.b"},
    "a copy": {"headers": {"CC": "k8s.0.x"}},
    "not understood": {"type": "launch_rocket"},
    "without an id": {"message_id": ""},
    "with an empty idempotency key": {"headers": {"idempotency-key": ""}},
}


@pytest.mark.parametrize("changes", INVALID.values(), ids=INVALID)
@virtual.time
async def test_a_command_that_can_never_be_run_is_dead_lettered_and_answered(changes):
    async with working() as w:
        message = request(5, **changes)

        assert await w.run(message) is Disposition.ACKNOWLEDGE
        assert w.provider.operations == []
        assert (w.final.result, w.final.status) == (
            Result.DEAD,
            w.replies[0].headers[HEADER_STATUS],
        )
        assert w.final.fault is not None
        assert w.final.finished is not None
        letter = next(each for each in w.publisher.published if each.exchange == topology.DEAD)
        assert letter.headers["reason"] == w.final.fault.message
        assert letter.body == message.body
        assert letter.message_id == w.final.id


@virtual.time
async def test_the_dead_letter_is_published_before_its_outcome():
    async with working() as w:
        w.publisher.seconds[topology.DEAD] = 5
        await w.run(event(5, body=b"{}"))

        assert w.log == ["dead-letter a-5", "dead a-5"]
        letter = w.publisher.published[0]
        assert letter.headers["queue"] == topology.partition_queue("k8s", SLOT)


@virtual.time
async def test_a_command_is_rejected_and_answered_while_the_dead_letter_queue_is_full():
    async with working() as w:
        w.publisher.refusing.add(topology.DEAD)

        assert await w.run(request(5, body=b"{}")) is Disposition.REJECT
        assert w.log == ["reply 400"]


@virtual.time
async def test_the_reply_does_not_wait_for_the_dead_letter():
    async with working() as w:
        w.publisher.seconds[topology.DEAD] = 3600
        ending = asyncio.create_task(w.run(request(5, body=b"{}")))
        await asyncio.sleep(1)

        assert w.log == ["reply 400"]
        assert await ending is Disposition.ACKNOWLEDGE


@virtual.time
async def test_a_poison_message_is_dead_lettered_at_its_tenth_delivery_and_answered():
    async with attending() as (scene, w):
        scene.last.deliver_message(request(5), returns=9)
        await asyncio.sleep(1)

        assert w.provider.operations == []
        assert scene.last.settled == [("ack", "a-5")]
        assert w.log[-1] == "ack a-5"
        assert (w.final.result, w.final.status) == (Result.DEAD, 500)
        assert w.final.fault is not None
        assert "was delivered to workers 10 times" in w.final.fault.message
        assert w.replies[0].headers[HEADER_STATUS] == 500


@virtual.time
async def test_the_next_owner_dead_letters_a_command_of_an_abandoned_run():
    async with attending(is_connected=False) as (scene, w):
        w.publisher.seconds[topology.DEAD] = 3600
        first = scene.last
        scene.last.deliver_message(event(5, body=b"{}"))
        await asyncio.sleep(20)

        assert first.settled == []
        assert len(scene.channels) == 2
