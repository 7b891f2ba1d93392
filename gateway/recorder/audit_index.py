"""An index of the commands that were started since a moment, read from the audit stream.

The index keeps hashes, since it may hold many commands.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime

from contracts import outcomes
from contracts.broker.connection import Connection
from contracts.broker.stream_reader import StreamReader, offset, read_stream
from contracts.outcomes import Result
from contracts.wire import Message

BATCH = 50
"""Small, so that a batch delays the requests to this process only briefly."""


class AuditIndex:
    """The started commands since `since`; reading continues with each `to_end`."""

    def __init__(
        self, since: datetime, audit: StreamReader, opened: AsyncExitStack, most: int
    ) -> None:
        self.since = since
        self._audit = audit
        self._opened = opened
        self._most = most
        self.is_whole = True
        """False after more starts than `most`: the oldest were dropped."""
        self._started: dict[int, None] = {}

    @classmethod
    async def of(cls, connection: Connection, since: datetime, most: int) -> "AuditIndex | None":
        """Read from a moment to the end; return None if that takes more messages than `most`."""
        newest = await _newest(connection)
        async with AsyncExitStack() as opened:
            audit = await opened.enter_async_context(read_stream(connection, since, BATCH))
            messages, is_end = await audit.read()
            if messages and newest - offset(messages[0]) > most:
                return None
            index = cls(since, audit, opened.pop_all(), most)
        index._take_in(messages)
        if not is_end and not await index.to_end():
            await index.close()
            return None
        return index

    async def to_end(self) -> bool:
        """Read to the present end; return false if it was not reached within `most` messages."""
        for _ in range(0, self._most, BATCH):
            began = time.thread_time()
            messages, is_end = await self._audit.read()
            self._take_in(messages)
            if is_end:
                return True
            await asyncio.sleep(time.thread_time() - began)  # requests get half of the time
        return False

    def has_started(self, provider: str, identity: str) -> bool:
        """Tell whether the audit holds the record `started` of a command."""
        return _key(provider, identity) in self._started

    async def close(self) -> None:
        """Stop reading."""
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
    async with read_stream(connection, "last", BATCH) as audit:
        messages, _ = await audit.read()
    return offset(messages[-1]) if messages else 0
