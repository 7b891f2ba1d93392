"""The connections of a gateway: those that keep it waiting are ended in time, the oldest first.

A connection that waits for nothing but our own answer is never ended here.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from gateway.limits import Limits

log = logging.getLogger(__name__)

QUIET_S = 60.0
"""Between two warnings."""


class Awaited(Enum):
    """What the server waits for on a connection."""

    HEAD = auto()
    BODY = auto()
    NEXT = auto()
    """The first byte of the next request."""
    READER = auto()
    """That the client takes an answer."""


class Waiting(Protocol):
    """A connection, as it is ended."""

    awaited: Awaited | None

    def overdue(self, awaited: Awaited) -> None:
        """End the connection, for which the time is up."""

    def cut(self) -> None:
        """End the connection at once, for want of room."""

    def unsent(self) -> int:
        """Return how many bytes the client has not taken."""


class Connections:
    """All connections of a server, by what each is waited for and since when."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self.limits = limits
        self._now = now
        self._open = 0
        self._quiet_until = 0.0
        self._since: dict[Awaited, OrderedDict[Waiting, float]] = {
            each: OrderedDict() for each in Awaited
        }
        self._limit_s = {
            Awaited.HEAD: limits.head_s,
            Awaited.BODY: limits.body_s + limits.head_s,  # the application answers before
            Awaited.NEXT: limits.idle_s,
            Awaited.READER: limits.answer_s,
        }

    def opened(self, connection: Waiting) -> None:
        """Count a new connection, and end another one if there are too many."""
        self._open += 1
        self.wait(connection, Awaited.HEAD)
        if self._open > self.limits.connections:
            self._warn(
                f"{self._open} connections are open: for each new one, that which has waited "
                "longest is closed; see PLT_CONNECTIONS"
            )
            self._cut_oldest(*Awaited)

    def closed(self, connection: Waiting) -> None:
        """Forget a connection."""
        self._open -= 1
        self.wait(connection, None)

    def wait(self, connection: Waiting, awaited: Awaited | None) -> None:
        """Wait for this on a connection from now on, and no longer for anything else."""
        if connection.awaited is not None:
            self._since[connection.awaited].pop(connection, None)
        connection.awaited = awaited
        if awaited is not None:
            self._since[awaited][connection] = self._now()

    def bound_unsent(self) -> None:
        """End the connections whose clients took no answer for longest, where these are too big."""
        readers = self._since[Awaited.READER]
        unsent = sum(each.unsent() for each in readers)
        while readers and unsent > self.limits.unsent_bytes:
            unsent -= next(iter(readers)).unsent()
            self._warn("clients do not take their answers: the oldest of these are cut off")
            self._cut_oldest(Awaited.READER)

    def sweep(self) -> None:
        """End what is overdue. The oldest comes first, so only what ends is looked at."""
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

    def _warn(self, text: str) -> None:
        if self._now() >= self._quiet_until:
            self._quiet_until = self._now() + QUIET_S
            log.warning(text)
