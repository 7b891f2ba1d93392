"""The fence: keeps a worker from acting on partitions that it may have lost.

A single active consumer is not a lock: the broker hands a partition over when its owner has missed
two heartbeats, and a frozen or disconnected owner does not notice. Therefore a worker starts a
command only if the broker answered recently, and cancels all runs before the broker hands over.
"""

import asyncio
import time
from collections.abc import Callable

START_WITHIN_S = 8.0
STOP_AFTER_S = 15.0
"""Shorter than two heartbeats of 10 s, after which RabbitMQ closes a silent connection."""


class Fence:
    """Opens with each response of the broker, and closes after a silence."""

    def __init__(
        self, stop: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`stop` is called after STOP_AFTER_S of silence; it must return at once and not raise."""
        self._stop = stop
        self._monotonic = monotonic
        self._answered_at = float("-inf")
        self._answer = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_shut = False

    def answered(self, seconds_ago: float = 0.0) -> None:
        """Note that the broker answered a request that was sent this many seconds ago.

        The silence counts from the request: the response may have taken time on the network, or
        waited for this process to read it.
        """
        self._answered_at = self._monotonic() - seconds_ago
        self._answer.set()
        if self._alarm is not None:
            self._alarm.cancel()
        # A timer, not a task: in a process that was frozen it fires in the first turn of the event
        # loop, before a run can continue with its next request to the platform.
        self._alarm = asyncio.get_running_loop().call_later(STOP_AFTER_S - seconds_ago, self._stop)

    def may_start(self) -> bool:
        """Tell whether a command may be started."""
        return not self._is_shut and self.is_recent()

    def is_recent(self) -> bool:
        """Tell whether the broker answered recently enough for a first platform call."""
        return self._silence() < START_WITHIN_S

    def may_go_on(self) -> bool:
        """Tell whether a running command may send another request."""
        return self._silence() < STOP_AFTER_S

    async def opened(self) -> None:
        """Wait until a command may be started."""
        while not self.may_start():
            self._answer.clear()
            await self._answer.wait()

    async def recent(self) -> None:
        """Wait until the broker has answered recently."""
        while not self.is_recent():
            self._answer.clear()
            await self._answer.wait()

    def shut(self) -> None:
        """Start no more commands: the process is stopping."""
        self._is_shut = True

    def close(self) -> None:
        """Cancel the timer."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _silence(self) -> float:
        return self._monotonic() - self._answered_at
