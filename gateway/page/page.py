"""The page of one gateway: its connection, its feed, and the events that viewers share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from contracts.broker.attendance import Attendance
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from gateway.calls.session import Pending
from gateway.http.draining import DRAINING, Draining
from gateway.identity.requester import Subject
from gateway.page.depths import Depths
from gateway.page.events import event
from gateway.page.feed import Feed
from gateway.page.on_demand import OnDemandConnection
from gateway.page.queries import Counts, Queries
from gateway.page.state import State
from gateway.page.viewer import Viewer

MOST_VIEWERS = 50
"""Viewers of one gateway; each one costs 1 to 3 ms of CPU time per second."""

FRESH_S = 0.5


class Page:
    """Everything behind the routes of the page."""

    def __init__(
        self,
        gateway: str,
        link: ReconnectingConnection,
        page_link: ReconnectingConnection,
        attendance: Attendance,
        draining: Draining,
        missing: Callable[[], list[str]],
        pending: Callable[[], Iterable[Pending]],
        query_counts: Callable[[], Counts] = dict,
    ) -> None:
        """`link` is the connection of requests, whose state is shown; `page_link` is used here."""
        self._draining = draining
        self.feed = Feed()
        self.depths = Depths(attendance.providers)
        self._broker = OnDemandConnection(page_link, self._session)
        queries = Queries(query_counts, time.monotonic)
        self._state = State(
            gateway, link, attendance, missing, pending, self.feed, self.depths, queries
        )
        self.viewers = 0
        self._states: dict[Subject | None, bytes] = {}
        self._states_at = float("-inf")
        self._encoded: dict[object, bytes | None] = {}
        self._encoded_for = -1

    async def run(self) -> None:
        """Connect to the broker while the page has viewers, until cancelled."""
        await self._broker.run()

    @property
    def is_over(self) -> bool:
        """True from the first signal on: viewers then go to another gateway."""
        return self._draining.is_begun

    async def _session(self, connection: Connection) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.feed.run(connection))
            group.create_task(self.depths.run(connection))

    def admit(self) -> None:
        """Raise a fault if there are too many viewers, or if the gateway stops."""
        if self.is_over:
            raise Fault(Code.GATEWAY_BUSY, DRAINING)
        if self.viewers >= MOST_VIEWERS:
            message = f"the limit of {MOST_VIEWERS} open pages of one gateway is reached"
            raise Fault(Code.GATEWAY_BUSY, message, retry_after=10)

    @asynccontextmanager
    async def viewed(self) -> AsyncIterator[None]:
        """Count a viewer, and keep the connection to the broker."""
        self.viewers += 1
        try:
            async with self._broker.used():
                yield
        finally:
            self.viewers -= 1

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """Use the connection to the broker; raises a fault if there is none."""
        async with self._broker.used():
            yield await self._broker.connection()

    def state_event(self, viewer: Viewer) -> bytes:
        """Return the state as an event, which viewers of a subject share for FRESH_S."""
        now = time.monotonic()
        if now - self._states_at >= FRESH_S:
            self._states, self._states_at = {}, now
        if viewer.subject not in self._states:
            snapshot = self._state.snapshot(self._broker.reason, viewer.knows, viewer.may_see)
            self._states[viewer.subject] = event("state", snapshot)
        return self._states[viewer.subject]

    def outcomes_event(self, viewer: Viewer, after: int | None) -> tuple[bytes | None, int | None]:
        """Return the outcomes after a position, and the next position.

        Viewers with the same rights and filter share the encoded event.
        """
        newest = self.feed.newest
        if not self.feed.is_current or after == newest:
            return None, after
        if self._encoded_for != newest:
            self._encoded, self._encoded_for = {}, newest
        key = (viewer.key, after)
        if key not in self._encoded:
            batch = self.feed.batch(after, viewer.shows)
            encoded = None if batch is None else event("outcomes", batch, newest)
            self._encoded[key] = encoded
        return self._encoded[key], newest
