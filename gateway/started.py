"""Whether commands that expired had been started: asked of the audit.

The broker leaves no trace of earlier deliveries in a dead letter. But before its first platform
call a worker publishes `started` and awaits the confirm, so a command whose start is not in the
audit, from its publish on, was never started.
"""

import asyncio
import logging
import time
from datetime import datetime, timedelta

from contracts.broker.errors import BrokerError
from contracts.broker.link import Connection
from gateway.endings import Expiry
from gateway.span import Span

log = logging.getLogger(__name__)

MOST = 100_000
FURTHER = timedelta(seconds=30)
IDLE_S = 30.0
AGAIN_S = 30.0


class Started:
    """Asks the audit over one connection, as long as there are questions.

    It is read once, from the oldest command in question on, and then continued: of those that come
    later it is likely that their outcomes have been read already.
    """

    def __init__(self, connection: Connection, most: int = MOST) -> None:
        """Read at most so many messages for an answer, and keep as many commands in mind."""
        self._connection = connection
        self._most = most
        self._asked: list[tuple[Expiry, asyncio.Future[bool | None]]] = []
        self._wake = asyncio.Event()
        self._span: Span | None = None
        self._not_before = 0.0
        self._complaint = ""

    async def of(self, expiry: Expiry) -> bool | None:
        """Whether the command was started; None where that cannot be told."""
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._asked.append((expiry, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Answer until cancelled."""
        try:
            while True:
                await self._question()
                asked, self._asked = self._asked, []
                await self._read_for([expiry for expiry, _ in asked])
                for expiry, answer in asked:
                    if not answer.done():
                        answer.set_result(self._told(expiry))
        finally:
            await self._forget()

    async def _question(self) -> None:
        """Wait for one, and meanwhile forget what nobody asks for."""
        self._wake.clear()
        while not self._asked:
            try:
                async with asyncio.timeout(IDLE_S if self._span else None):
                    await self._wake.wait()
            except TimeoutError:
                await self._forget()

    async def _read_for(self, expiries: list[Expiry]) -> None:
        if time.monotonic() < self._not_before:
            return
        try:
            if self._span and not await self._span.to_end():
                await self._forget()
            await self._read_further(expiries)
        except BrokerError as error:
            self._complain(f"the audit cannot be read: {error}")
            self._not_before = time.monotonic() + AGAIN_S
            await self._forget()

    async def _read_further(self, expiries: list[Expiry]) -> None:
        """Read from further back where that may tell of more of them."""
        too_far: datetime | None = None
        for since in sorted(each.since for each in expiries if self._told(each) is None):
            if self._span and self._span.since <= since:
                return
            if too_far and since < too_far + FURTHER:
                continue
            span = await Span.of(self._connection, since, self._most)
            if span is None:
                too_far = since
                self._complain(f"the audit grew by more than {self._most} messages meanwhile")
            else:
                await self._forget()
                self._span = span

    def _told(self, expiry: Expiry) -> bool | None:
        """A start that was read is proof; none is, where all of the time in question was read."""
        span = self._span
        if span is None:
            return None
        if span.has_started(expiry.provider, expiry.identity):
            return True
        return False if span.is_whole and span.since <= expiry.since else None

    def _complain(self, complaint: str) -> None:
        """Once is enough, as many commands as may expire."""
        level = logging.DEBUG if complaint == self._complaint else logging.WARNING
        log.log(level, "commands that expire are recorded as unknown: %s", complaint)
        self._complaint = complaint

    async def _forget(self) -> None:
        span, self._span = self._span, None
        if span is not None:
            await span.close()
