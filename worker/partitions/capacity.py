"""Limits that the partitions of a worker share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_TURN_S = 10.0
"""The time limit: a queue without a leader does not answer, and must not delay other partitions."""


class Capacity:
    """The limit of concurrent commands, and the turn to begin consuming."""

    def __init__(self, concurrency: int) -> None:
        """`concurrency` limits the concurrent commands."""
        self.running = asyncio.Semaphore(concurrency)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Begin to consume while no other partition does; a turn lasts at most LONGEST_TURN_S."""
        await self._turn.acquire()
        is_over = False

        def end() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self._turn.release()

        timer = asyncio.get_running_loop().call_later(LONGEST_TURN_S, end)
        try:
            yield
        finally:
            timer.cancel()
            end()
