"""An index of the commands started since a given time, read from the audit stream.

The index keeps hashes, since it may hold many commands.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime

from contracts import outcomes
from contracts.broker.connection import Connection
from contracts.broker.stream_reader import StreamReader, newest_message, offset, read_stream
from contracts.outcomes import Result
from contracts.wire import Message

BATCH = 50
"""Small, so that a batch delays the requests to this process only briefly."""


class AuditIndex:
    """The commands started since `since`; each `to_end` continues reading."""

    def __init__(
        self, since: datetime, audit: StreamReader, resources: AsyncExitStack, limit: int
    ) -> None:
        self.since = since
        self._audit = audit
        self._resources = resources
        self._limit = limit
        self.is_complete = True
        """False after more starts than `limit`: the oldest were dropped."""
        self._started: dict[int, None] = {}

    @classmethod
    async def read(cls, connection: Connection, since: datetime, limit: int) -> "AuditIndex | None":
        """Read from `since` to the end; return None if that takes more than `limit` messages."""
        newest = await newest_message(connection)
        async with AsyncExitStack() as resources:
            audit = await resources.enter_async_context(read_stream(connection, since, BATCH))
            messages, is_end = await audit.read()
            if newest and messages and offset(newest) - offset(messages[0]) > limit:
                return None
            index = cls(since, audit, resources.pop_all(), limit)
        index._add(messages)
        if not is_end and not await index.to_end():
            await index.close()
            return None
        return index

    async def to_end(self) -> bool:
        """Read to the present end; return false if it is more than `limit` messages away."""
        for _ in range(0, self._limit, BATCH):
            began = time.thread_time()
            messages, is_end = await self._audit.read()
            self._add(messages)
            if is_end:
                return True
            await asyncio.sleep(time.thread_time() - began)  # leave half of the time to requests
        return False

    def has_started(self, provider: str, identity: str) -> bool:
        """Return true if the audit has the record `started` of a command."""
        return _key(provider, identity) in self._started

    async def close(self) -> None:
        """Stop reading."""
        await self._resources.aclose()

    def _add(self, messages: list[Message]) -> None:
        for message in messages:
            if message.key.startswith(f"{Result.STARTED}."):
                provider = message.key.split(".")[1]
                self._started[_key(provider, message.correlation_id or "")] = None
        while len(self._started) > self._limit:
            del self._started[next(iter(self._started))]
            self.is_complete = False


def _key(provider: str, identity: str) -> int:
    return hash((provider, outcomes.short(identity)))
