"""Limits that the partitions of a worker share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_TURN_S = 10.0
"""A queue without a leader does not answer, and must not delay the other partitions."""


class Capacity:
    """The commands that run at once, and the turn to begin consuming."""

    def __init__(self, concurrency: int) -> None:
        """`concurrency` limits the commands that run at once."""
        self.running = asyncio.Semaphore(concurrency)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no other partition begins to consume; a long turn is ended early."""
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
