"""Reads that queries share: which query joins which flight, and what is kept how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from contracts.faults import Code, Fault
from contracts.freshness import EVERY_OTHER, Freshness, Versions
from tests.calls import ample
from worker.optional_methods import SharedReadsState
from worker.provider import Call
from worker.shared_reads import BYTES_PER_BYTE, Limits, SharedReads

SECONDS = 2.0
KEY = "machines"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Platform:
    """A platform whose answers a test gives, one for each flight in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[asyncio.Future[object]] = []

    async def read(self, call: Call) -> object:
        self.calls.append(call)
        self.answers.append(asyncio.get_running_loop().create_future())
        with call.request("ecs:ListTasks") as sent:
            found = await self.answers[-1]
            sent.status = "200"
        return found

    async def asked(self, times: int) -> None:
        """Wait until this number of flights has begun."""
        while len(self.answers) < times:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0)


def query(versions: Versions | None = None, max_age_s: float | None = None) -> Call:
    call = ample()
    call.freshness = Freshness(versions or {}, max_age_s)
    return call


class Scene:
    """Shared reads with a clock and a platform that the test drives."""

    def __init__(self, limits: Limits) -> None:
        self.clock = Clock()
        self.platform = Platform()
        self.reads = SharedReads(limits, self.clock)

    def ask(self, call: Call, key: str = KEY) -> "asyncio.Task[object]":
        return asyncio.create_task(self.reads.read(key, call, self.platform.read))

    async def answered(self, call: Call, answer: object, key: str = KEY) -> object:
        """Return the result of a query that starts a flight with this answer."""
        before = len(self.platform.answers)
        asking = self.ask(call, key)
        await self.platform.asked(before + 1)
        self.platform.answers[-1].set_result(answer)
        return await asking


@asynccontextmanager
async def scene(limits: Limits | None = None) -> AsyncIterator[Scene]:
    made = Scene(limits or Limits(SECONDS))
    yield made
    await made.reads.aclose()


async def idle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_equal_reads_share_one_flight_and_state_their_age() -> None:
    async with scene() as s:
        calls = [query() for _ in range(3)]
        asking = [s.ask(call) for call in calls[:2]]
        await s.platform.asked(1)
        s.clock.now += 0.5
        asking.append(s.ask(calls[2]))
        await idle()
        s.platform.answers[0].set_result("found")

        assert await asyncio.gather(*asking) == ["found"] * 3
        assert len(s.platform.calls) == 1
        assert [call.age_s for call in calls] == [None, 0.5, 0.5]
        assert {EVERY_OTHER: 0} == calls[0].shown == calls[2].shown
        assert s.reads.state() == SharedReadsState(0, 2, 1, 1, BYTES_PER_BYTE * len('"found"'))


async def test_a_result_answers_later_queries_for_the_seconds_of_the_limit() -> None:
    async with scene() as s:
        await s.answered(query(), 1)
        s.clock.now += SECONDS
        later = query()
        assert await s.reads.read(KEY, later, s.platform.read) == 1
        assert later.age_s == SECONDS

        s.clock.now += 0.01
        assert await s.answered(query(), 2) == 2


async def test_the_limit_counts_from_the_start_of_a_flight_and_not_from_its_end() -> None:
    async with scene() as s:
        asking = s.ask(query())
        await s.platform.asked(1)
        s.clock.now += SECONDS
        s.platform.answers[0].set_result(1)
        await asking
        s.clock.now += 0.01

        assert await s.answered(query(), 2) == 2


@pytest.mark.parametrize("under_way", [False, True])
async def test_a_query_that_knows_of_a_later_command_gets_the_next_flight(under_way: bool) -> None:
    async with scene() as s:
        first = s.ask(query({"commands-a": 1}))
        await s.platform.asked(1)
        if not under_way:
            s.platform.answers[0].set_result("before")
            await first

        assert await s.answered(query({"commands-a": 2}), "after") == "after"
        assert await s.answered(query({"commands-a": 2, "commands-b": 1}), "other") == "other"
        assert await s.reads.read(KEY, query({"commands-b": 1}), s.platform.read) == "other"
        if under_way:
            s.platform.answers[0].set_result("before")
            assert await first == "before"
        assert await s.reads.read(KEY, query({"commands-a": 1}), s.platform.read) == "other"


async def test_a_client_limits_the_age_of_its_answer() -> None:
    async with scene() as s:
        await s.answered(query(), 1)
        s.clock.now += 1.5

        assert await s.reads.read(KEY, query(max_age_s=1.5), s.platform.read) == 1
        assert await s.answered(query(max_age_s=1), 2) == 2


@pytest.mark.parametrize("freshness", [None, Freshness(max_age_s=0)])
async def test_commands_and_no_cache_neither_get_nor_leave_shared_reads(
    freshness: Freshness | None,
) -> None:
    async with scene() as s:
        await s.answered(query(), 1)
        call = ample()
        call.freshness = freshness

        assert await s.answered(call, 2) == 2
        assert call.age_s is None
        assert s.platform.calls[-1] is call
        assert await s.reads.read(KEY, query(), s.platform.read) == 1


async def test_nothing_is_shared_if_the_limit_is_0() -> None:
    async with scene(Limits(0)) as s:
        asking = [s.ask(query()) for _ in range(2)]
        await s.platform.asked(2)
        for number, answer in enumerate(s.platform.answers):
            answer.set_result(number)

        assert await asyncio.gather(*asking) == [0, 1]


async def test_a_failure_is_shared_by_those_who_wait_and_not_kept() -> None:
    async with scene() as s:
        asking = [s.ask(query()) for _ in range(2)]
        await s.platform.asked(1)
        throttled = Fault(Code.PLATFORM_LIMITING, "slow down", retry_after=3)
        s.platform.answers[0].set_exception(throttled)
        failures = await asyncio.gather(*asking, return_exceptions=True)

        assert failures == [throttled] * 2
        assert s.reads.state().entries == 0
        assert await s.answered(query(), "found") == "found"


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.DEADLINE_EXCEEDED])
async def test_an_absence_or_a_missed_deadline_of_an_earlier_flight_is_read_again(
    code: Code,
) -> None:
    async with scene() as s:
        first = s.ask(query())
        await s.platform.asked(1)
        s.clock.now += 0.1
        second = s.ask(query())
        await idle()
        s.platform.answers[0].set_exception(Fault(code, "no"))
        with pytest.raises(Fault):
            await first
        await s.platform.asked(2)
        s.platform.answers[1].set_result("found")

        assert await second == "found"


async def test_a_cancelled_query_cancels_the_flight_only_if_no_other_waits() -> None:
    async with scene() as s:
        calls = [query(), query()]
        asking = [s.ask(call) for call in calls]
        await s.platform.asked(1)
        await idle()
        asking[0].cancel()
        await idle()
        assert not s.platform.answers[0].cancelled()
        asking[1].cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)

        assert [type(each) for each in ended] == [asyncio.CancelledError] * 2
        assert s.platform.answers[0].cancelled()
        assert s.reads.state().entries == 0
        assert [[each.status for each in call.requests] for call in calls] == [[], ["cancelled"]]
        assert await s.answered(query(), "found") == "found"


async def test_a_flight_has_the_deadline_of_its_longest_waiting_query() -> None:
    async with scene() as s:
        short, long = query(), query()
        long.deadline = short.deadline + 30
        asking = [s.ask(short), s.ask(long)]
        await idle()

        assert s.platform.calls[0].deadline == long.deadline
        s.platform.answers[0].set_result(1)
        await asyncio.gather(*asking)


async def test_each_request_is_reported_by_one_query() -> None:
    async with scene() as s:
        calls = [query(), query()]
        asking = [s.ask(call) for call in calls]
        await s.platform.asked(1)
        await idle()
        s.platform.answers[0].set_result(1)
        await asyncio.gather(*asking)

        assert sum(len(call.requests) for call in calls) == 1


async def test_a_flight_that_uses_an_older_result_has_its_age() -> None:
    async with scene() as s:
        await s.answered(query(), "services", key="services")
        s.clock.now += 1.5

        async def machines(call: Call) -> object:
            return await s.reads.read("services", call, s.platform.read)

        own, strict = query(), query(max_age_s=1)
        assert await s.reads.read(KEY, own, machines) == "services"
        assert own.age_s == 1.5

        asking = asyncio.create_task(s.reads.read(KEY, strict, machines))
        await s.platform.asked(2)
        s.platform.answers[1].set_result("fresh")
        assert await asking == "fresh"
        assert strict.age_s is None


async def test_results_are_bounded_in_number_and_bytes() -> None:
    limit = 3 * BYTES_PER_BYTE * 10
    async with scene(Limits(SECONDS, entries=2, bytes=limit)) as s:
        for key in "abc":
            await s.answered(query(), "x", key=key)
        assert s.reads.state().entries == 2

        await s.answered(query(), "x" * 20, key="d")
        await s.answered(query(), "x" * 20, key="e")
        assert s.reads.state().bytes <= limit
        assert await s.reads.read("e", query(), s.platform.read) == "x" * 20

        await s.answered(query(), "x" * 100, key="f")
        assert await s.reads.read("e", query(), s.platform.read) == "x" * 20


async def test_outdated_results_are_dropped_without_another_query() -> None:
    async with scene() as s:
        await s.answered(query(), "x")
        s.clock.now += SECONDS
        s.reads.forget()
        assert s.reads.state().entries == 1
        s.clock.now += 0.01
        s.reads.forget()

        assert (s.reads.state().entries, s.reads.state().bytes) == (0, 0)


async def test_closing_ends_the_flights_that_are_under_way() -> None:
    async with scene() as s:
        asking = s.ask(query())
        await s.platform.asked(1)
        await s.reads.aclose()

        with pytest.raises(asyncio.CancelledError):
            await asking
        assert s.platform.answers[0].cancelled()
