"""Whether this worker still owns what it consumes, as far as it can know.

A single active consumer is no lock: the broker hands a partition over when it has not heard from
the owner for two heartbeats, and a frozen or cut-off owner does not notice. So a worker starts
nothing unless the broker answered it lately, and stops everything before the broker hands over.
"""

import asyncio
import time
from collections.abc import Callable

START_WITHIN_S = 8.0
STOP_AFTER_S = 15.0
"""Shorter than two heartbeats of 10 s, after which RabbitMQ closes a silent connection."""


class Fence:
    """Opens with each answer of the broker, closes by itself."""

    def __init__(
        self, stop: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`stop` is called after too long a silence; it has to be quick and must not raise."""
        self._stop = stop
        self._monotonic = monotonic
        self._answered_at = float("-inf")
        self._answer = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_shut = False

    def answered(self, seconds_ago: float = 0.0) -> None:
        """The broker has answered what it was asked so long ago.

        It counts the silence of the worker from the question: its answer may have been under way,
        or have waited for this process to read it.
        """
        self._answered_at = self._monotonic() - seconds_ago
        self._answer.set()
        if self._alarm is not None:
            self._alarm.cancel()
        # A timer rather than a task: in a process that wakes up it fires in the loop's first turn,
        # before a run that got an answer of the platform can go on to its next request.
        self._alarm = asyncio.get_running_loop().call_later(STOP_AFTER_S - seconds_ago, self._stop)

    def may_start(self) -> bool:
        """Whether a command may be started now."""
        return not self._is_shut and self.is_near()

    def is_near(self) -> bool:
        """Whether the broker answered so lately that a platform may be asked for the first time."""
        return self._silence() < START_WITHIN_S

    def may_go_on(self) -> bool:
        """Whether a running command may send another request."""
        return self._silence() < STOP_AFTER_S

    async def opened(self) -> None:
        """Wait until a command may be started."""
        while not self.may_start():
            self._answer.clear()
            await self._answer.wait()

    async def near(self) -> None:
        """Wait until the broker has answered lately."""
        while not self.is_near():
            self._answer.clear()
            await self._answer.wait()

    def shut(self) -> None:
        """Start nothing any more: the process is stopping."""
        self._is_shut = True

    def close(self) -> None:
        """Forget the alarm."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _silence(self) -> float:
        return self._monotonic() - self._answered_at
