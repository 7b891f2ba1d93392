"""A command that a worker holds: its operation, and the rule by which it supersedes others."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from contracts import topology, wire
from contracts.broker.channel import Delivery
from contracts.faults import Fault
from contracts.observation.messaging import processing
from contracts.observation.spans import Span
from contracts.operation import Operation
from contracts.wire import Message

DEADLINE_TOLERANCE_S = 1.0
"""The tolerance for events without a deadline, whose timestamps are whole seconds."""


class Command:
    """A message with its operation, or the reason why it can never be run, and its deadline."""

    __slots__ = (
        "_examine",
        "_operation",
        "delivered_at",
        "expires_at",
        "message",
        "redelivered",
        "slot",
    )

    def __init__(
        self,
        delivery: Delivery,
        slot: int,
        expires_at: float,
        examine: Callable[[Message, int], Operation[Any]],
    ) -> None:
        """`expires_at` is on the monotonic clock; `examine` raises a message's fault."""
        self.message = delivery.message
        self.redelivered = delivery.redelivered
        self.slot = slot
        self.expires_at = expires_at
        self.delivered_at = time.time()
        self._examine = examine
        self._operation: Operation[Any] | Fault | None = None

    @property
    def operation(self) -> Operation[Any] | Fault:
        """The operation of the message, or the fault of its examination.

        Examined on first use: thousands of waiting commands are neither decoded nor kept decoded.
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
        """The idempotency key, if the publisher chose one."""
        key = self.message.headers.get(wire.HEADER_IDEMPOTENCY_KEY)
        return key if isinstance(key, str) else None

    def span(self) -> Span:
        """Return the span of the run of this command."""
        return processing(self.message, self.delivered_at, redelivered=self.redelivered)

    def supersedes(self, older: "Command") -> bool:
        """Tell whether this command supersedes an older command that waits directly before it.

        Both are events without a `reply_to`, and differ only in the `collapses` field of their row
        in the table. A redelivered command, which may have been started before, neither supersedes
        nor is superseded. A command with less time left, which may never run, does not supersede.
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
            and self.expires_at >= older.expires_at - DEADLINE_TOLERANCE_S
        )

    def _may_collapse(self) -> bool:
        return (
            self.message.exchange == topology.EVENTS
            and not self.message.reply_to
            and self.idempotency_key is None
            and not self.redelivered
        )
