"""A lookup in the audit of whether a worker started an expired command.

A dead letter has no trace of earlier deliveries. But a worker publishes `started` and awaits the
confirm before its first platform call. Therefore a command without a record `started` since its
publish was never started.
"""

import asyncio
import logging
import time
from datetime import datetime, timedelta

from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError
from gateway.recorder.audit_index import AuditIndex
from gateway.recorder.dead_letters import Expiry

log = logging.getLogger(__name__)

LIMIT = 100_000
STEP = timedelta(seconds=30)
"""After a time from which too much would be read, the least step to the next attempt."""

IDLE_S = 30.0
RETRY_S = 30.0


class StartLookup:
    """Looks up commands in the audit over one connection.

    The audit is read once, from the oldest command on, and reading then continues, so that the
    records of later commands have usually been read already. An unused index is dropped.
    """

    def __init__(self, connection: Connection, limit: int = LIMIT) -> None:
        """`limit` is the maximum of messages read for one lookup, and of commands in the index."""
        self._connection = connection
        self._limit = limit
        self._lookups: list[tuple[Expiry, asyncio.Future[bool | None]]] = []
        self._wake = asyncio.Event()
        self._index: AuditIndex | None = None
        self._not_before = 0.0
        self._complaint = ""

    async def of(self, expiry: Expiry) -> bool | None:
        """Return true if the command was started; None if the audit does not tell."""
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._lookups.append((expiry, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Answer lookups until cancelled."""
        try:
            while True:
                await self._next_lookup()
                lookups, self._lookups = self._lookups, []
                await self._read_for([expiry for expiry, _ in lookups])
                for expiry, answer in lookups:
                    if not answer.done():
                        answer.set_result(self._found(expiry))
        finally:
            await self._drop()

    async def _next_lookup(self) -> None:
        """Wait for a lookup; drop the index if none comes for a while."""
        self._wake.clear()
        while not self._lookups:
            try:
                async with asyncio.timeout(IDLE_S if self._index else None):
                    await self._wake.wait()
            except TimeoutError:
                await self._drop()

    async def _read_for(self, expiries: list[Expiry]) -> None:
        if time.monotonic() < self._not_before:
            return
        try:
            if self._index and not await self._index.to_end():
                await self._drop()
            await self._read_back(expiries)
        except BrokerError as error:
            self._complain(f"the audit cannot be read: {error}")
            self._not_before = time.monotonic() + RETRY_S
            await self._drop()

    async def _read_back(self, expiries: list[Expiry]) -> None:
        """Replace the index by one that begins earlier, if that answers more of the lookups."""
        too_far: datetime | None = None
        for since in sorted(each.since for each in expiries if self._found(each) is None):
            if self._index and self._index.since <= since:
                return
            if too_far and since < too_far + STEP:
                continue
            index = await AuditIndex.read(self._connection, since, self._limit)
            if index is None:
                too_far = since
                self._complain(
                    f"the audit grew by more than {self._limit} messages since their publish"
                )
            else:
                await self._drop()
                self._index = index

    def _found(self, expiry: Expiry) -> bool | None:
        """A record `started` is proof; its absence is proof only if the whole time was read."""
        index = self._index
        if index is None:
            return None
        if index.has_started(expiry.provider, expiry.identity):
            return True
        return False if index.is_complete and index.since <= expiry.since else None

    def _complain(self, complaint: str) -> None:
        """Log a warning once per reason, however many commands expire."""
        level = logging.DEBUG if complaint == self._complaint else logging.WARNING
        log.log(level, "expired commands are recorded as unknown: %s", complaint)
        self._complaint = complaint

    async def _drop(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            await index.close()
