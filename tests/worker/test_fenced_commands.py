"""Commands behind a closed fence belong to the next owner: nothing is run, told or answered."""

import asyncio
from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.outcomes import Result
from tests.worker import virtual
from tests.worker.ledger import event, request, working
from worker.partitions.runs import Disposition

LATE: dict[str, Any] = {"expiration": 200}


def test_behind_a_closed_fence_nothing_is_run_told_or_answered():
    """Even what has no time left may have been run by the next owner."""

    async def test():
        async with working(heard=False) as w:
            await asyncio.sleep(16)
            newer = w.take(event(6))

            assert await w.run(request(5)) is Disposition.ABANDON
            assert await w.run(request(5, **LATE)) is Disposition.ABANDON
            assert await w.commands.supersede(w.take(event(5)), newer) is Disposition.ABANDON
            assert w.log == []

    virtual.run(test)


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_during_which_the_fence_closed_is_given_up_whatever_came_of_it(fails):
    async def test():
        async with working(heard=False) as w:
            w.seconds = 16
            w.failures = [Fault(Code.CONFLICT, "no")] if fails else []

            assert await w.run(request(5)) is Disposition.ABANDON
            assert w.log == ["started a-5", "call 5"]

    virtual.run(test)


def test_a_start_that_waits_for_its_record_is_given_up_when_the_fence_closes():
    async def test():
        async with working(heard=False) as w:
            w.post.seconds["started"] = 3600

            assert await w.run(request(5)) is Disposition.ABANDON
            assert w.log == []

    virtual.run(test)


def test_a_start_that_was_recorded_in_a_silence_waits_for_the_brokers_answer():
    """Given up, it would have the partition left, and what ran beside it would be run again."""

    async def test():
        async with working(heard=False) as w:
            w.post.seconds["started"] = 9
            running = asyncio.create_task(w.run(request(5)))
            await asyncio.sleep(12)
            assert w.log == ["started a-5"]

            w.fence.answered()
            assert await running is Disposition.ACKNOWLEDGE
            assert w.log[1] == "call 5"

    virtual.run(test)


def test_a_start_that_waits_for_the_brokers_answer_past_its_deadline_never_happens():
    async def test():
        async with working(heard=False) as w:
            w.post.seconds["started"] = 9
            await w.run(request(5, expiration=11_000))

            assert "call 5" not in w.log
            assert w.final.result is Result.EXPIRED

    virtual.run(test)


def test_a_call_has_no_time_left_once_the_fence_is_closed():
    """A process that was frozen wakes up in it, and must not send another request."""

    async def test():
        async with working(heard=False) as w:
            left: list[float] = []

            async def look(operation: Any, call: Any) -> Any:
                left.append(call.left())
                await asyncio.sleep(16)
                left.append(call.left())

            w.provider._behaviour = look
            await w.run(event(5))
            before, after = left

            assert before > 50
            assert after == 0

    virtual.run(test)
