"""Commands behind a closed fence are left to the next owner: not run, recorded or answered."""

import asyncio
from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.outcomes import Result
from tests.worker import virtual
from tests.worker.ledger import event, request, working
from worker.partitions.runs import Disposition

LATE: dict[str, Any] = {"expiration": 200}


@virtual.time
async def test_a_command_behind_a_closed_fence_is_not_run_recorded_or_answered():
    """The next owner may have run even a command without time left."""
    async with working(is_connected=False) as w:
        await asyncio.sleep(16)
        newer = w.take(event(6))

        assert await w.run(request(5)) is Disposition.ABANDON
        assert await w.run(request(5, **LATE)) is Disposition.ABANDON
        assert await w.commands.supersede(w.take(event(5)), newer) is Disposition.ABANDON
        assert w.log == []


@pytest.mark.parametrize("fails", [False, True])
@virtual.time
async def test_a_run_is_abandoned_if_the_fence_closed_during_it(fails):
    async with working(is_connected=False) as w:
        w.seconds = 16
        w.failures = [Fault(Code.CONFLICT, "no")] if fails else []

        assert await w.run(request(5)) is Disposition.ABANDON
        assert w.log == ["started a-5", "call 5"]


@virtual.time
async def test_a_start_that_waits_for_its_record_is_abandoned_when_the_fence_closes():
    async with working(is_connected=False) as w:
        w.publisher.seconds["started"] = 3600

        assert await w.run(request(5)) is Disposition.ABANDON
        assert w.log == []


@virtual.time
async def test_a_start_recorded_during_a_silence_waits_for_an_answer_of_the_broker():
    """An abandoned command has the partition left, so that its other commands would run again."""
    async with working(is_connected=False) as w:
        w.publisher.seconds["started"] = 9
        running = asyncio.create_task(w.run(request(5)))
        await asyncio.sleep(12)
        assert w.log == ["started a-5"]

        w.fence.answered()
        assert await running is Disposition.ACKNOWLEDGE
        assert w.log[1] == "call 5"


@virtual.time
async def test_a_command_that_waits_for_the_broker_past_its_deadline_is_not_run():
    async with working(is_connected=False) as w:
        w.publisher.seconds["started"] = 9
        await w.run(request(5, expiration=11_000))

        assert "call 5" not in w.log
        assert w.final.result is Result.EXPIRED


@virtual.time
async def test_a_call_has_no_time_left_behind_a_closed_fence():
    """A frozen process resumes within the call, and must not send another request."""
    async with working(is_connected=False) as w:
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
