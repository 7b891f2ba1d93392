"""The job that a load process reads from standard input, and the measurement that it prints."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
import uvloop
from msgspec import Struct

from tests.bench.loads import usage
from tests.bench.loads.usage import Usage

WARM_UP_S = 0.3
FEWEST = 3
"""A measurement of slow round trips goes on until this number has ended, ..."""
LONGEST_S = 30
"""... but no longer than this."""


class Job(Struct):
    """Keep `at_once` requests in flight for some seconds, and account `processes` by group."""

    where: str
    seconds: float
    at_once: int
    processes: dict[str, list[int]]
    requests: list[list[str]] = []
    """One list for each connection, sent in a cycle."""
    steps: int = 1
    """The number of requests of one round trip."""
    api_server: dict[str, str] = {}
    """The variables of a worker, if the requests go to its API server instead of `where`."""
    own: str = "load"
    """The group of this process in the accounting."""


class Measurement(Struct):
    """The results after the warm-up; times in seconds."""

    round_trips: int
    failures: dict[str, int]
    p50: float
    p99: float
    usage: Usage
    in_all: int = 0
    """The successful round trips with those of the warm-up and the last ones."""


class Tally:
    """Counts round trips while `counts` is set; no new one starts when `over` is set."""

    def __init__(self) -> None:
        self.counts = False
        self.over = False
        self.in_all = 0
        self._enough = asyncio.Event()
        self._times: list[float] = []
        self._failures: dict[str, int] = {}

    def record(self, seconds: float, failure: str | None = None) -> None:
        """Record the end of a round trip."""
        if failure is not None:
            self._failures[failure] = self._failures.get(failure, 0) + 1
            return
        self.in_all += 1
        if self.counts:
            self._times.append(seconds)
            if len(self._times) == FEWEST:
                self._enough.set()

    async def measured(self, job: Job) -> Measurement:
        """Warm up, count for `job.seconds`, and stop."""
        processes = job.processes | {job.own: [os.getpid()]}
        await asyncio.sleep(WARM_UP_S)
        before = usage.now(processes)
        self.counts = True
        await asyncio.sleep(job.seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), LONGEST_S)
        used = usage.now(processes) - before
        self.counts, self.over = False, True
        return Measurement(
            len(self._times),
            self._failures,
            percentile(self._times, 0.5),
            percentile(self._times, 0.99),
            used,
        )


def percentile(times: list[float], share: float) -> float:
    """Return the time at a percentile, as a share from 0 to 1; 0 without times."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else 0.0


def main(work: Callable[[Job], Coroutine[Any, Any, Measurement]]) -> None:
    """Run the job from standard input, and print the measurement."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(work(job))))
