"""The audit from a moment on to its end: which commands were started in that time.

Commands are known by a hash, since there may be many of them.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime

from contracts import outcomes
from contracts.broker.link import Connection
from contracts.outcomes import Result
from contracts.wire import Message
from gateway.stream import Stream, offset, stream

BATCH = 50
"""Few, so that the requests to this process do not wait long while one is taken in."""


class Span:
    """Is read once and then continued."""

    def __init__(self, since: datetime, audit: Stream, opened: AsyncExitStack, most: int) -> None:
        self.since = since
        self._audit = audit
        self._opened = opened
        self._most = most
        self.is_whole = True
        """False when starts were forgotten, since there were too many."""
        self._started: dict[int, None] = {}

    @classmethod
    async def of(cls, connection: Connection, since: datetime, most: int) -> "Span | None":
        """Read from a moment on to the end; None if that would take more messages than `most`."""
        newest = await _newest(connection)
        async with AsyncExitStack() as opened:
            audit = await opened.enter_async_context(stream(connection, since, BATCH))
            messages, is_end = await audit.read()
            if messages and newest - offset(messages[0]) > most:
                return None
            span = cls(since, audit, opened.pop_all(), most)
        span._take_in(messages)
        if not is_end and not await span.to_end():
            await span.close()
            return None
        return span

    async def to_end(self) -> bool:
        """Read to the end of now; whether it was reached within `most` messages."""
        for _ in range(0, self._most, BATCH):
            began = time.thread_time()
            messages, is_end = await self._audit.read()
            self._take_in(messages)
            if is_end:
                return True
            await asyncio.sleep(time.thread_time() - began)  # requests get half of the time
        return False

    def has_started(self, provider: str, identity: str) -> bool:
        """Whether a worker recorded the start of a command that was published in this time."""
        return _key(provider, identity) in self._started

    async def close(self) -> None:
        """Read no further."""
        await self._opened.aclose()

    def _take_in(self, messages: list[Message]) -> None:
        for message in messages:
            if message.key.startswith(f"{Result.STARTED}."):
                provider = message.key.split(".")[1]
                self._started[_key(provider, message.correlation_id or "")] = None
        while len(self._started) > self._most:
            del self._started[next(iter(self._started))]
            self.is_whole = False


def _key(provider: str, identity: str) -> int:
    return hash((provider, outcomes.short(identity)))


async def _newest(connection: Connection) -> int:
    async with stream(connection, "last", BATCH) as audit:
        messages, _ = await audit.read()
    return offset(messages[-1]) if messages else 0
