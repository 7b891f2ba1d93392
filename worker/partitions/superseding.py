"""Superseded commands, ended a few at a time so that a flood does not block the event loop."""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from worker.partitions.lane import Held, Lane

CONCURRENCY = 16
"""Superseded commands that end concurrently, per partition. Each waits for a publisher confirm and
a round trip: with 6,000 at once the broker's responses would wait until all are handled."""


class Superseding:
    """The superseded commands of a partition; lasts as long as its channel."""

    def __init__(
        self,
        begin: Callable[[Coroutine[Any, Any, None]], object],
        end: Callable[[Held, Held], Coroutine[Any, Any, None]],
    ) -> None:
        """`begin` starts a task that ends with the channel; `end` ends the older of two."""
        self._begin = begin
        self._end = end
        self._waiting: deque[tuple[Lane, Held, Held]] = deque()
        self._running = 0

    def add(self, lane: Lane, older: Held, newer: Held) -> None:
        """End the older command without a run; the newer one starts after that."""
        lane.superseded()
        self._waiting.append((lane, older, newer))
        if self._running < CONCURRENCY:
            self._running += 1
            self._begin(self._run())

    async def _run(self) -> None:
        while self._waiting:
            lane, older, newer = self._waiting.popleft()
            await self._end(older, newer)
            lane.superseded_settled()
        self._running -= 1
