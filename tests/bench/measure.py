"""What a process that makes load is told on standard input, and what it prints when it is done."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import uvloop
from msgspec import Struct

from tests.bench import usage
from tests.bench.usage import Usage

WARM_UP_S = 0.3


class Job(Struct):
    """Keep `at_once` requests under way for so many seconds; `processes` are those to account."""

    where: str
    seconds: float
    at_once: int
    processes: dict[str, list[int]]
    requests: list[list[str]] = []
    """One list for each connection, which it repeats."""
    own: str = "load"
    """What to account this process as."""


class Measured(Struct):
    """What happened between the end of the warm-up and the end; times in seconds."""

    round_trips: int
    failures: dict[str, int]
    p50: float
    p99: float
    usage: Usage


class Tally:
    """Counts round trips while `counts` is set; nobody begins another once `over` is."""

    def __init__(self) -> None:
        self.counts = False
        self.over = False
        self._times: list[float] = []
        self._failures: dict[str, int] = {}

    def note(self, seconds: float, failure: str | None = None) -> None:
        """One round trip has ended."""
        if failure is not None:
            self._failures[failure] = self._failures.get(failure, 0) + 1
        elif self.counts:
            self._times.append(seconds)

    async def measured(self, job: Job) -> Measured:
        """Warm up, count for as long as the job says, and stop."""
        processes = job.processes | {job.own: [os.getpid()]}
        await asyncio.sleep(WARM_UP_S)
        before = usage.now(processes)
        self.counts = True
        await asyncio.sleep(job.seconds)
        used = usage.now(processes) - before
        self.counts, self.over = False, True
        return Measured(
            len(self._times),
            self._failures,
            percentile(self._times, 0.5),
            percentile(self._times, 0.99),
            used,
        )


def percentile(times: list[float], share: float) -> float:
    """The time that this share of all stayed within; 0 of none."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else 0.0


def main(work: Callable[[Job], Coroutine[Any, Any, Measured]]) -> None:
    """Do the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(work(job))))
