"""A lookup in the audit: was a command that expired started by a worker?

The broker leaves no trace of earlier deliveries in a dead letter. But a worker publishes `started`
and awaits the confirm before its first platform call. A command without a record `started` since
its publication was therefore never started.
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

MOST = 100_000
FURTHER = timedelta(seconds=30)
IDLE_S = 30.0
AGAIN_S = 30.0


class StartLookup:
    """Looks up commands in the audit over one connection.

    The audit is read once, from the oldest command in question on, and reading then continues: the
    records of later commands have probably been read already. An unused index is dropped.
    """

    def __init__(self, connection: Connection, most: int = MOST) -> None:
        """`most` limits the messages read for one lookup, and the commands in the index."""
        self._connection = connection
        self._most = most
        self._asked: list[tuple[Expiry, asyncio.Future[bool | None]]] = []
        self._wake = asyncio.Event()
        self._index: AuditIndex | None = None
        self._not_before = 0.0
        self._complaint = ""

    async def of(self, expiry: Expiry) -> bool | None:
        """Tell whether the command was started; None if the audit does not tell."""
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._asked.append((expiry, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Answer lookups until cancelled."""
        try:
            while True:
                await self._question()
                asked, self._asked = self._asked, []
                await self._read_for([expiry for expiry, _ in asked])
                for expiry, answer in asked:
                    if not answer.done():
                        answer.set_result(self._found(expiry))
        finally:
            await self._drop()

    async def _question(self) -> None:
        """Wait for a lookup; drop the index if none comes for a while."""
        self._wake.clear()
        while not self._asked:
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
            await self._read_further(expiries)
        except BrokerError as error:
            self._complain(f"the audit cannot be read: {error}")
            self._not_before = time.monotonic() + AGAIN_S
            await self._drop()

    async def _read_further(self, expiries: list[Expiry]) -> None:
        """Replace the index by an older one, if that can answer more of the lookups."""
        too_far: datetime | None = None
        for since in sorted(each.since for each in expiries if self._found(each) is None):
            if self._index and self._index.since <= since:
                return
            if too_far and since < too_far + FURTHER:
                continue
            index = await AuditIndex.of(self._connection, since, self._most)
            if index is None:
                too_far = since
                self._complain(f"the audit grew by more than {self._most} messages meanwhile")
            else:
                await self._drop()
                self._index = index

    def _found(self, expiry: Expiry) -> bool | None:
        """A record `started` is proof; its absence is proof if the whole time was read."""
        index = self._index
        if index is None:
            return None
        if index.has_started(expiry.provider, expiry.identity):
            return True
        return False if index.is_whole and index.since <= expiry.since else None

    def _complain(self, complaint: str) -> None:
        """Warn once, however many commands expire."""
        level = logging.DEBUG if complaint == self._complaint else logging.WARNING
        log.log(level, "commands that expire are recorded as unknown: %s", complaint)
        self._complaint = complaint

    async def _drop(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            await index.close()
