"""A connection to the broker that is open while the page has viewers, and a little longer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault

log = logging.getLogger(__name__)

LINGER_S = 10.0
"""The time until an unused connection is closed: a reload of the page keeps it."""

CONNECT_S = 6.0
RETRY_S = 10.0

Session = Callable[[Connection], Awaitable[None]]


class OnDemandConnection:
    """A connection of its own: large reads of the audit do not delay replies to requests.

    While the connection is open, `session` runs on it.
    """

    def __init__(self, link: ReconnectingConnection, session: Session) -> None:
        self._link = link
        self._session = session
        self._users = 0
        self._failures_before = 0
        self._wanted = asyncio.Event()
        self._opened = asyncio.Event()
        self._connection: Connection | None = None

    @property
    def reason(self) -> str | None:
        """The reason why there is no connection; None if there is one, or the first try runs."""
        has_failed = self._link.failures > self._failures_before
        return self._link.reason if has_failed and not self._connection else None

    @asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Keep the connection open, and open it again when it is lost."""
        self._users += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._users -= 1

    async def connection(self) -> Connection:
        """Return the connection, within `used`; raise a fault if it does not open in time."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._opened.wait()
        except TimeoutError:
            message = f"no connection to the broker: {self._link.reason}"
            raise Fault(Code.BROKER_UNREACHABLE, message) from None
        assert self._connection is not None
        return self._connection

    async def run(self) -> None:
        """Open the connection whenever it is used, until cancelled."""
        while True:
            await self._wanted.wait()
            self._failures_before = self._link.failures
            running = asyncio.create_task(self._link.run(self._run_session))
            try:
                await self._until_unused(running)
            except Exception:  # the gateway serves requests without its page
                log.exception("the page failed; it restarts in %g seconds", RETRY_S)
                await asyncio.sleep(RETRY_S)
            finally:
                running.cancel()
                await asyncio.wait([running])

    async def _until_unused(self, running: asyncio.Task[None]) -> None:
        """Wait until the connection was unused for LINGER_S; raise what ends it."""
        self._wanted.clear()
        while True:
            await asyncio.wait([running], timeout=LINGER_S)
            if running.done():
                running.result()
            if not self._users and not self._wanted.is_set():
                return
            self._wanted.clear()

    async def _run_session(self, connection: Connection) -> None:
        self._connection = connection
        self._opened.set()
        self._link.ready()
        try:
            await self._session(connection)
        finally:
            self._opened.clear()
            self._connection = None
