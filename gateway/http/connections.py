"""The HTTP connections of a gateway: clients that keep it waiting are disconnected, oldest first.

A connection that waits only for the gateway's own response is never closed here.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from gateway.http.limits import Limits

log = logging.getLogger(__name__)

WARNING_INTERVAL_S = 60.0


class Awaited(Enum):
    """The event that the server waits for on a connection."""

    HANDSHAKE = auto()
    HEAD = auto()
    BODY = auto()
    NEXT = auto()
    """The first byte of the next request."""
    READER = auto()
    """The client reads a response."""
    CLOSE = auto()
    """The client closes the connection after the last response."""


class ClientConnection(Protocol):
    """A connection that can be closed."""

    awaited: Awaited | None

    def overdue(self, awaited: Awaited) -> None:
        """Close the connection, because its time limit has passed."""

    def cut(self) -> None:
        """Close the connection at once, because a limit is reached."""

    def unsent(self) -> int:
        """Return the number of response bytes in the write buffer."""


class Connections:
    """All connections of a server, by the awaited event and the start of the wait."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self.limits = limits
        self.is_draining = False
        """True if the next response of each connection is its last one."""
        self._now = now
        self._open = 0
        self._next_warning: dict[str, float] = {}
        self._since: dict[Awaited, OrderedDict[ClientConnection, float]] = {
            each: OrderedDict() for each in Awaited
        }
        self._limit_s = {
            Awaited.HANDSHAKE: limits.handshake_s,
            Awaited.HEAD: limits.head_s,
            Awaited.BODY: limits.body_s + limits.head_s,  # the application responds earlier
            Awaited.NEXT: limits.idle_s,
            Awaited.READER: limits.answer_s,
            Awaited.CLOSE: limits.close_s,
        }

    def opened(self, connection: ClientConnection, awaited: Awaited = Awaited.HEAD) -> None:
        """Count a new connection, and close the longest-waiting one if there are too many."""
        self._open += 1
        self.wait(connection, awaited)
        if self._open > self.limits.connections:
            self.warn(
                "connections",
                f"{self._open} connections are open: each new connection closes the one that has "
                "waited longest; see PLT_CONNECTIONS",
            )
            self._cut_oldest(*Awaited)
        elif len(self._since[Awaited.HANDSHAKE]) > self.limits.handshakes:
            self.warn(
                "handshakes",
                f"{self.limits.handshakes} TLS handshakes are incomplete: each new connection "
                "closes the one that has waited longest",
            )
            self._cut_oldest(Awaited.HANDSHAKE)

    def closed(self, connection: ClientConnection) -> None:
        """Forget a connection."""
        self._open -= 1
        self.wait(connection, None)

    def wait(self, connection: ClientConnection, awaited: Awaited | None) -> None:
        """Restart the time limit of a connection for this event; None ends the wait."""
        if connection.awaited is not None:
            self._since[connection.awaited].pop(connection, None)
        connection.awaited = awaited
        if awaited is not None:
            self._since[awaited][connection] = self._now()

    def waited(self, connection: ClientConnection) -> float:
        """Return for how many seconds a connection has waited for its present event."""
        if connection.awaited is None:
            return 0.0
        return self._now() - self._since[connection.awaited][connection]

    def bound_unsent(self) -> None:
        """Close the longest-waiting readers while the unsent responses exceed the limit."""
        readers = self._since[Awaited.READER]
        unsent = sum(each.unsent() for each in readers)
        while readers and unsent > self.limits.unsent_bytes:
            unsent -= next(iter(readers)).unsent()
            self.warn(
                "readers", "clients do not read their responses: the oldest connections are closed"
            )
            self._cut_oldest(Awaited.READER)

    def sweep(self) -> None:
        """Close the overdue connections; each queue is ordered by age, so the loop stops early."""
        now = self._now()
        for awaited, since in self._since.items():
            while since:
                connection, began = next(iter(since.items()))
                if now - began < self._limit_s[awaited]:
                    break
                self.wait(connection, None)
                connection.overdue(awaited)

    def _cut_oldest(self, *of: Awaited) -> None:
        first = [next(iter(self._since[each].items())) for each in of if self._since[each]]
        if first:
            connection, _ = min(first, key=lambda each: each[1])
            self.wait(connection, None)
            connection.cut()

    def warn(self, kind: str, text: str) -> None:
        """Log a warning, at most one of a kind per minute."""
        if self._now() >= self._next_warning.get(kind, 0.0):
            self._next_warning[kind] = self._now() + WARNING_INTERVAL_S
            log.warning(text)
