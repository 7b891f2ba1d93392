"""Reads of a platform that queries share: a flight under way, and its result for a short time.

A query requires the versions that its gateway knows, see `contracts.freshness`. A flight includes
the versions that the query which started it required, because all commands with these versions had
ended before; a query that requires more starts the next flight. So neither clocks of machines are
compared, nor must a worker hear of the commands of others.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.freshness import EVERY_OTHER, Freshness
from worker.optional_methods import SharedReadsState
from worker.provider import Call

Value = TypeVar("Value")
Work = Callable[[Call], Awaitable[Value]]

MIB = 1024 * 1024
LEAST_SWEEP_S = 1.0
BYTES_PER_BYTE = 5
"""A machine with 8 labels takes 4.9 bytes of memory per byte of its JSON, an ECS service 3.2."""

TO_REPEAT = frozenset({Code.NOT_FOUND, Code.DEADLINE_EXCEEDED})
"""Failures of a flight after which a query that joined it reads again: the resource may have been
created since, and the query has a later deadline."""


class Limits(Struct, frozen=True):
    """The limits of shared reads; no read is shared if `seconds` is 0."""

    seconds: float
    """The maximal age of a flight that a query joins, or whose result it gets."""
    entries: int = 1000
    bytes: int = 64 * MIB
    """An estimate of the memory of all results."""


class _FlightCall(Call):
    """The call of a flight: its deadline is the longest of its waiting queries."""

    def __init__(self, call: Call, clock: Callable[[], float]) -> None:
        super().__init__(call.deadline, freshness=call.freshness)
        self._clock = clock
        self.oldest = clock()
        """The start of the flight, or of the oldest flight whose result it used."""

    def showed(self, resource_type: str, version: int, age_s: float | None = None) -> None:
        if age_s is not None:
            self.oldest = min(self.oldest, self._clock() - age_s)


class _Flight:
    """A read of the platform, under way or ended."""

    def __init__(self, work: Work[Any], call: Call, clock: Callable[[], float]) -> None:
        self.freshness = call.freshness or Freshness()
        self.call = _FlightCall(call, clock)
        self.began = self.call.oldest
        self.bytes = 0
        self._waiting = 0
        self.task: asyncio.Task[Any] = asyncio.create_task(_awaited(work, self.call))

    def fits(self, freshness: Freshness, arrived: float, seconds: float) -> bool:
        """Tell whether the result is fresh enough for a query that arrived at this time."""
        if self.task.cancelling():
            return False
        limit = seconds if freshness.max_age_s is None else min(seconds, freshness.max_age_s)
        included = self.freshness.versions
        return arrived - self.call.oldest <= limit and all(
            version <= included.get(name, 0) for name, version in freshness.versions.items()
        )

    async def result(self, call: Call) -> Any:
        """Return the result to one more query; the last waiting query cancels the flight."""
        self._waiting += 1
        self.call.deadline = max(self.call.deadline, call.deadline)
        try:
            await asyncio.wait({self.task})
            return self.task.result()
        finally:
            self._waiting -= 1
            if not (self._waiting or self.task.done()):
                self.task.cancel()
                await asyncio.wait({self.task})
            # Each request is reported once, by a query that waited for it.
            call.requests += self.call.requests
            call.retries += self.call.retries
            self.call.requests.clear()
            self.call.retries.clear()


class SharedReads:
    """The shared reads of one platform, by key."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._flights: OrderedDict[Hashable, _Flight] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._bytes = 0
        self._copies = self._joined = self._sent = 0

    def shares(self, call: Call) -> bool:
        """Tell whether the reads of a call are shared: not those of commands and `no-cache`."""
        freshness = call.freshness
        return bool(self._limits.seconds and freshness and freshness.max_age_s != 0)

    async def read(self, key: Hashable, call: Call, work: Work[Value]) -> Value:
        """Return the result of `work`, or of an equal read that is fresh enough for the call.

        The result is shared, so it must not be changed. A failure is shared by the queries that
        wait for it, and is not kept.
        """
        if not self.shares(call) or call.freshness is None:
            return await work(call)
        arrived = self._clock()
        while True:
            flight = self._fitting(key, call.freshness, arrived)
            is_own = flight is None
            if flight is None:
                flight = self._start(key, call, work)
            try:
                result: Value = await flight.result(call)
            except Fault as fault:
                is_earlier = not is_own and flight.began <= arrived
                if is_earlier and fault.code in TO_REPEAT and call.left():
                    continue
                raise
            if is_own or flight.fits(call.freshness, arrived, self._limits.seconds):
                self._show(call, flight, is_own=is_own)
                return result

    def state(self) -> SharedReadsState:
        """Return the counts of reads, and of the entries that are held."""
        entries = len(self._flights)
        return SharedReadsState(self._copies, self._joined, self._sent, entries, self._bytes)

    def forget(self) -> None:
        """Drop the results that no query can get any more."""
        oldest = self._clock() - self._limits.seconds
        for key, flight in list(self._flights.items()):
            if flight.task.done() and flight.call.oldest < oldest:
                self._drop(key)

    async def sweep(self) -> None:
        """Drop outdated results, until cancelled."""
        while True:
            await asyncio.sleep(max(LEAST_SWEEP_S, self._limits.seconds))
            self.forget()

    async def aclose(self) -> None:
        """Cancel all flights, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fitting(self, key: Hashable, freshness: Freshness, arrived: float) -> _Flight | None:
        flight = self._flights.get(key)
        if flight is None or not flight.fits(freshness, arrived, self._limits.seconds):
            return None
        if flight.task.done():
            self._copies += 1
        else:
            self._joined += 1
        return flight

    def _start(self, key: Hashable, call: Call, work: Work[Any]) -> _Flight:
        self._sent += 1
        flight = _Flight(work, call, self._clock)
        self._tasks.add(flight.task)
        flight.task.add_done_callback(partial(self._ended, key, flight))
        self._drop(key)
        self._flights[key] = flight
        self._bound()
        return flight

    def _ended(self, key: Hashable, flight: _Flight, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        failed = task.cancelled() or task.exception() is not None
        if self._flights.get(key) is not flight:
            return
        if failed:
            self._drop(key)
            return
        size = BYTES_PER_BYTE * len(msgspec.json.encode(task.result()))
        if size > self._limits.bytes:
            self._drop(key)
            return
        flight.bytes = size
        self._bytes += size
        self._bound()

    def _bound(self) -> None:
        """Drop the oldest entries until the others are within the limits."""
        limits = self._limits
        while len(self._flights) > limits.entries or self._bytes > limits.bytes:
            self._drop(next(iter(self._flights)))

    def _drop(self, key: Hashable) -> None:
        """Forget an entry; the queries that wait for its flight still get the result."""
        if flight := self._flights.pop(key, None):
            self._bytes -= flight.bytes

    def _show(self, call: Call, flight: _Flight, *, is_own: bool) -> None:
        """Report the age, except of a read that began for this call and used no older one."""
        oldest = flight.call.oldest
        is_live = is_own and oldest == flight.began
        call.showed(EVERY_OTHER, 0, None if is_live else max(0.0, self._clock() - oldest))


async def _awaited(work: Work[Value], call: Call) -> Value:
    return await work(call)


@asynccontextmanager
async def shared_reads(limits: Limits) -> AsyncIterator[SharedReads]:
    """Open shared reads; leaving the context ends all flights."""
    opened = SharedReads(limits)
    sweeper = asyncio.create_task(opened.sweep()) if limits.seconds else None
    try:
        yield opened
    finally:
        if sweeper is not None:
            sweeper.cancel()
        await asyncio.gather(opened.aclose(), *filter(None, [sweeper]), return_exceptions=True)
