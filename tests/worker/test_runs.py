"""Runs: one for each message in a process, joined by its redelivery, given up in time."""

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
    """The message again, with changes."""
    return message_of(EXAMPLES["update_controller_replicas"], **changes)


@asynccontextmanager
async def process() -> AsyncIterator[Runs]:
    """The runs of a process, which end with it."""
    async with asyncio.TaskGroup() as group:
        runs = Runs(group)
        yield runs
        runs.stop_all()


async def lasting(
    seconds: float, disposition: Disposition = Disposition.ACKNOWLEDGE
) -> Disposition:
    """Work that takes a while."""
    await asyncio.sleep(seconds)
    return disposition


async def abandon(holder: asyncio.Task[Disposition]) -> None:
    """The channel of a delivery closes: whoever waited for its run is cancelled."""
    await asyncio.sleep(0)
    holder.cancel()
    await asyncio.wait([holder])


def held(runs: Runs, run: Run) -> asyncio.Task[Disposition]:
    """Somebody who waits for the end of a run."""
    return asyncio.create_task(runs.outcome(run))


def test_a_run_ends_with_the_disposition_of_its_work():
    async def test():
        async with process() as runs:
            for disposition in (Disposition.ACKNOWLEDGE, Disposition.REJECT):
                assert (
                    await runs.outcome(runs.start(MESSAGE, lasting(3, disposition))) is disposition
                )

    virtual.run(test)


def test_a_redelivery_joins_the_run_that_is_under_way():
    async def test():
        async with process() as runs:
            first = runs.start(MESSAGE, lasting(5))
            holder = held(runs, first)
            await asyncio.sleep(2)

            again = runs.joinable(another())
            assert again is first
            began = virtual.now()
            assert await runs.outcome(again) is Disposition.ACKNOWLEDGE
            assert virtual.now() - began == 3
            assert await holder is Disposition.ACKNOWLEDGE

    virtual.run(test)


def test_a_redelivery_learns_how_a_run_ended_that_is_over():
    """The acknowledgement was lost with the channel; the work must not be done twice."""

    async def test():
        async with process() as runs:
            for disposition in (Disposition.ACKNOWLEDGE, Disposition.REJECT):
                await runs.outcome(runs.start(MESSAGE, lasting(1, disposition)))
                again = runs.joinable(another())

                assert again is not None
                assert await runs.outcome(again) is disposition

    virtual.run(test)


def test_another_message_joins_nothing():
    """Ids are given by publishers, and may be given twice."""

    async def test():
        async with process() as runs:
            runs.start(MESSAGE, lasting(5))

            assert runs.joinable(another(message_id="2222")) is None
            assert runs.joinable(another(body=b"{}")) is None
            assert runs.joinable(another(key="k8s.0.controllers.default.other")) is None
            assert runs.joinable(another()) is not None

    virtual.run(test)


def test_a_run_that_nobody_waits_for_is_given_up_after_one_second():
    async def test():
        async with process() as runs:
            run = runs.start(MESSAGE, lasting(60))
            await abandon(held(runs, run))
            left_at = virtual.now()

            await asyncio.wait([run.task])
            assert virtual.now() - left_at == 1
            assert run.disposition() is Disposition.ABANDON

    virtual.run(test)


def test_a_run_that_ends_within_that_second_is_done():
    async def test():
        async with process() as runs:
            run = runs.start(MESSAGE, lasting(0.9))
            await abandon(held(runs, run))

            await asyncio.sleep(5)
            assert run.disposition() is Disposition.ACKNOWLEDGE

    virtual.run(test)


def test_a_run_that_is_joined_within_that_second_goes_on():
    async def test():
        async with process() as runs:
            run = runs.start(MESSAGE, lasting(60))
            await abandon(held(runs, run))
            await asyncio.sleep(0.9)

            assert await runs.outcome(run) is Disposition.ACKNOWLEDGE

    virtual.run(test)


def test_only_the_last_who_leaves_lets_a_run_be_given_up():
    async def test():
        async with process() as runs:
            run = runs.start(MESSAGE, lasting(10))
            one, other = held(runs, run), held(runs, run)
            await abandon(one)
            await asyncio.sleep(5)
            assert not run.task.done()

            await abandon(other)
            await asyncio.sleep(1.1)
            assert run.disposition() is Disposition.ABANDON

    virtual.run(test)


def test_a_run_that_was_given_up_is_not_joined():
    async def test():
        async with process() as runs:
            run = runs.start(MESSAGE, lasting(60))
            await abandon(held(runs, run))
            await asyncio.sleep(2)

            assert runs.joinable(another()) is None
            assert runs.start(another(), lasting(1)) is not run

    virtual.run(test)


def test_a_run_that_was_joined_after_it_was_given_up_says_so():
    """Between the cancellation and its end the run can still be found."""

    async def test():
        async with process() as runs:
            run = runs.start(MESSAGE, lasting(60))
            runs.stop_all()
            joined = runs.joinable(another())

            assert joined is run
            assert await runs.outcome(joined) is Disposition.ABANDON

    virtual.run(test)


def test_all_runs_are_stopped_at_once():
    async def test():
        async with process() as runs:
            started = [runs.start(another(message_id=str(n)), lasting(60)) for n in range(20)]
            holders = [held(runs, run) for run in started]
            await asyncio.sleep(1)
            began = virtual.now()
            runs.stop_all()

            assert {await holder for holder in holders} == {Disposition.ABANDON}
            assert virtual.now() == began

    virtual.run(test)


def test_idle_waits_for_the_last_run():
    async def test():
        async with process() as runs:
            await runs.idle()
            for seconds in (1, 4, 2):
                runs.start(another(message_id=str(seconds)), lasting(seconds))
            began = virtual.now()

            await runs.idle()
            assert virtual.now() - began == 4

    virtual.run(test)


def test_the_runs_of_long_ago_are_forgotten():
    async def test():
        async with process() as runs:
            for number in range(REMEMBERED + 1):
                await runs.outcome(runs.start(another(message_id=str(number)), lasting(0)))

            assert runs.joinable(another(message_id="0")) is None
            assert runs.joinable(another(message_id="1")) is not None

    virtual.run(test)


def test_a_message_without_an_id_joins_nothing():
    """A producer that repeats a command without an id has it run again."""

    async def test():
        async with process() as runs:
            nameless = another(message_id="")
            await runs.outcome(runs.start(nameless, lasting(1)))

            assert runs.joinable(nameless) is None

    virtual.run(test)


def test_what_is_remembered_of_a_run_is_not_its_body():
    """Two thousand bodies of a megabyte are more memory than a worker has."""

    gone: list[bool] = []

    class Body(bytes):
        """Bytes that tell when they are gone."""

        def __del__(self) -> None:
            gone.append(True)

    async def test():
        async with process() as runs:
            message = another(body=Body(b'{"replicas":3}'))
            await runs.outcome(runs.start(message, lasting(1)))
            del message
            gc.collect()

            assert gone

    virtual.run(test)
