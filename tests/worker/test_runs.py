"""Runs: one per message in a process, joined by redeliveries, abandoned before a take-over."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from tests.worker import virtual
from worker.partitions.runs import REMEMBERED, Disposition, Run, Runs

MESSAGE = message_of(EXAMPLES["update_controller_replicas"])


def another(**changes: Any) -> Message:
    """Return the message again, with changes."""
    return message_of(EXAMPLES["update_controller_replicas"], **changes)


@asynccontextmanager
async def process() -> AsyncIterator[Runs]:
    """The runs of a process, which are stopped at its end."""
    async with asyncio.TaskGroup() as group:
        runs = Runs(group)
        yield runs
        runs.stop_all()


async def lasting(
    seconds: float, disposition: Disposition = Disposition.ACKNOWLEDGE
) -> Disposition:
    """Return a disposition after this many seconds."""
    await asyncio.sleep(seconds)
    return disposition


async def cancel(waiter: asyncio.Task[Disposition]) -> None:
    """Cancel a waiter, as the closing channel of its delivery does."""
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])


def waiter_for(runs: Runs, run: Run) -> asyncio.Task[Disposition]:
    """Start a task that waits for the end of a run."""
    return asyncio.create_task(runs.outcome(run))


@virtual.time
async def test_a_run_ends_with_the_disposition_of_its_work():
    async with process() as runs:
        for disposition in (Disposition.ACKNOWLEDGE, Disposition.REJECT):
            assert await runs.outcome(runs.start(MESSAGE, lasting(3, disposition))) is disposition


@virtual.time
async def test_a_redelivery_joins_the_run_of_its_message():
    async with process() as runs:
        first = runs.start(MESSAGE, lasting(5))
        waiter = waiter_for(runs, first)
        await asyncio.sleep(2)

        again = runs.joinable(another())
        assert again is first
        began = virtual.now()
        assert await runs.outcome(again) is Disposition.ACKNOWLEDGE
        assert virtual.now() - began == 3
        assert await waiter is Disposition.ACKNOWLEDGE


@virtual.time
async def test_a_redelivery_gets_the_disposition_of_an_ended_run():
    """The acknowledgement was lost with the channel; the command must not run twice."""
    async with process() as runs:
        for disposition in (Disposition.ACKNOWLEDGE, Disposition.REJECT):
            await runs.outcome(runs.start(MESSAGE, lasting(1, disposition)))
            again = runs.joinable(another())

            assert again is not None
            assert await runs.outcome(again) is disposition


@virtual.time
async def test_another_message_joins_no_run():
    """Publishers choose the ids, and may reuse one."""
    async with process() as runs:
        runs.start(MESSAGE, lasting(5))

        assert runs.joinable(another(message_id="2222")) is None
        assert runs.joinable(another(body=b"{}")) is None
        assert runs.joinable(another(key="k8s.0.controllers.default.other")) is None
        assert runs.joinable(another()) is not None


@virtual.time
async def test_a_run_without_waiters_is_abandoned_after_one_second():
    async with process() as runs:
        run = runs.start(MESSAGE, lasting(60))
        await cancel(waiter_for(runs, run))
        left_at = virtual.now()

        await asyncio.wait([run.task])
        assert virtual.now() - left_at == 1
        assert run.disposition() is Disposition.ABANDON


@virtual.time
async def test_a_run_without_waiters_may_end_within_one_second():
    async with process() as runs:
        run = runs.start(MESSAGE, lasting(0.9))
        await cancel(waiter_for(runs, run))

        await asyncio.sleep(5)
        assert run.disposition() is Disposition.ACKNOWLEDGE


@virtual.time
async def test_a_run_that_is_joined_within_one_second_goes_on():
    async with process() as runs:
        run = runs.start(MESSAGE, lasting(60))
        await cancel(waiter_for(runs, run))
        await asyncio.sleep(0.9)

        assert await runs.outcome(run) is Disposition.ACKNOWLEDGE


@virtual.time
async def test_a_run_is_abandoned_after_its_last_waiter_is_cancelled():
    async with process() as runs:
        run = runs.start(MESSAGE, lasting(10))
        one, other = waiter_for(runs, run), waiter_for(runs, run)
        await cancel(one)
        await asyncio.sleep(5)
        assert not run.task.done()

        await cancel(other)
        await asyncio.sleep(1.1)
        assert run.disposition() is Disposition.ABANDON


@virtual.time
async def test_an_abandoned_run_is_not_joined():
    async with process() as runs:
        run = runs.start(MESSAGE, lasting(60))
        await cancel(waiter_for(runs, run))
        await asyncio.sleep(2)

        assert runs.joinable(another()) is None
        assert runs.start(another(), lasting(1)) is not run


@virtual.time
async def test_a_run_joined_during_its_cancellation_is_abandoned():
    """A cancelled run can be found until its task has ended."""
    async with process() as runs:
        run = runs.start(MESSAGE, lasting(60))
        runs.stop_all()
        joined = runs.joinable(another())

        assert joined is run
        assert await runs.outcome(joined) is Disposition.ABANDON


@virtual.time
async def test_all_runs_are_stopped_at_once():
    async with process() as runs:
        started = [runs.start(another(message_id=str(n)), lasting(60)) for n in range(20)]
        waiters = [waiter_for(runs, run) for run in started]
        await asyncio.sleep(1)
        began = virtual.now()
        runs.stop_all()

        assert {await waiter for waiter in waiters} == {Disposition.ABANDON}
        assert virtual.now() == began


@virtual.time
async def test_idle_waits_for_the_last_run():
    async with process() as runs:
        await runs.idle()
        for seconds in (1, 4, 2):
            runs.start(another(message_id=str(seconds)), lasting(seconds))
        began = virtual.now()

        await runs.idle()
        assert virtual.now() - began == 4


@virtual.time
async def test_the_oldest_runs_are_forgotten():
    async with process() as runs:
        for number in range(REMEMBERED + 1):
            await runs.outcome(runs.start(another(message_id=str(number)), lasting(0)))

        assert runs.joinable(another(message_id="0")) is None
        assert runs.joinable(another(message_id="1")) is not None


@virtual.time
async def test_a_message_without_an_id_joins_no_run():
    """A producer that repeats a command without an id has it run again."""
    async with process() as runs:
        unnamed = another(message_id="")
        await runs.outcome(runs.start(unnamed, lasting(1)))

        assert runs.joinable(unnamed) is None


@virtual.time
async def test_the_body_of_an_ended_run_is_not_kept_in_memory():
    """Two thousand bodies of 1 MB would be more memory than a worker has."""

    deleted: list[bool] = []

    class Body(bytes):
        """Bytes that record their deletion."""

        def __del__(self) -> None:
            deleted.append(True)

    async with process() as runs:
        message = another(body=Body(b'{"replicas":3}'))
        await runs.outcome(runs.start(message, lasting(1)))
        del message
        gc.collect()

        assert deleted
