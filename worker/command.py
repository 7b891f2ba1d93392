"""A command that a worker holds: what it asks for, and whether a newer one supersedes it."""

from collections.abc import Callable
from typing import Any

import msgspec

from contracts import topology, wire
from contracts.broker.channel import Delivery
from contracts.faults import Fault
from contracts.operation import Operation
from contracts.wire import Message

ALIKE_S = 1.0
"""Deadlines of events that name none differ by less: they are counted from whole seconds."""


class Command:
    """A message in our hands: what it asks for, or why nobody can run it, and how long it has."""

    __slots__ = ("_examine", "_operation", "expires_at", "message", "redelivered", "slot")

    def __init__(
        self,
        delivery: Delivery,
        slot: int,
        expires_at: float,
        examine: Callable[[Message, int], Operation[Any]],
    ) -> None:
        """`expires_at` is on the monotonic clock; `examine` raises the fault of a message."""
        self.message = delivery.message
        self.redelivered = delivery.redelivered
        self.slot = slot
        self.expires_at = expires_at
        self._examine = examine
        self._operation: Operation[Any] | Fault | None = None

    @property
    def operation(self) -> Operation[Any] | Fault:
        """What the message asks for, or what is wrong with it.

        Examined when it is needed: thousands that wait are neither decoded nor kept decoded.
        """
        if self._operation is None:
            try:
                self._operation = self._examine(self.message, self.slot)
            except Fault as fault:
                self._operation = fault
        return self._operation

    @operation.setter
    def operation(self, known: Operation[Any] | Fault) -> None:
        self._operation = known

    @property
    def idempotency_key(self) -> str | None:
        """By which repeats of it are known."""
        key = self.message.headers.get(wire.HEADER_IDEMPOTENCY_KEY)
        return key if isinstance(key, str) else None

    def supersedes(self, older: "Command") -> bool:
        """Tell whether this command makes an older one, which waits before it, superfluous.

        Both are events without a `reply_to` and differ only in the field that the table lets
        collapse. A redelivered command may have been started before, and a newer command with less
        time left may never run: neither supersedes nor is superseded.
        """
        if not (self._may_collapse() and older._may_collapse()):
            return False
        mine, theirs = self.operation, older.operation
        if isinstance(mine, Fault) or isinstance(theirs, Fault) or type(mine) is not type(theirs):
            return False
        field = mine.row.collapses
        return (
            field is not None
            and msgspec.structs.replace(theirs, **{field: getattr(mine, field)}) == mine
            and self.expires_at >= older.expires_at - ALIKE_S
        )

    def _may_collapse(self) -> bool:
        return (
            self.message.exchange == topology.EVENTS
            and not self.message.reply_to
            and self.idempotency_key is None
            and not self.redelivered
        )
