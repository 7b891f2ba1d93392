"""The remembered ends of commands with an idempotency key, from which repeats are answered."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from msgspec import Struct

from contracts import wire
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.outcomes import Cause, Result
from contracts.wire import Reply

REMEMBERED_S = 600.0
MAX_KEYS = 10_000
MAX_BYTES = 64 * 1024 * 1024

INDEFINITE = frozenset({429, 500, 502, 503, 504})
"""Statuses that are not remembered: the command was not attempted or its end is unknown."""


class End(Struct, frozen=True):
    """The end of a command: its reply and the content of its outcome."""

    id: str
    reply: Reply
    result: Result
    fault: Cause | None = None
    before: Any = None
    after: Any = None


class Known(Struct, frozen=True):
    """An end, the digest of its operation, and the time at which it was stored."""

    end: End
    digest: bytes
    since: float


class Repeats:
    """The ends of the last REMEMBERED_S by address and key, limited in number and bytes."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._bytes = 0

    def find(self, address: str, key: str, operation: Operation[Any]) -> End | None:
        """Return the end of the first command with this key; Fault `invalid` for another operation.

        Equal keys of different addresses are independent.
        """
        self._forget()
        known = self._known.get((address, key))
        if known is None:
            return None
        if known.digest != _digest(operation):
            raise Fault(
                Code.INVALID,
                f"idempotency-key {key!r}: expected the command that it was first used for, "
                f"{known.end.id}, got another",
            )
        return known.end

    def remember(self, address: str, key: str, operation: Operation[Any], end: End) -> None:
        """Store an end, unless a retry may change it."""
        if end.reply.status in INDEFINITE:
            return
        self._drop((address, key))
        self._known[address, key] = Known(end, _digest(operation), self._monotonic())
        self._bytes += len(end.reply.body)
        self._forget()

    def _forget(self) -> None:
        oldest = self._monotonic() - REMEMBERED_S
        while self._known:
            first, known = next(iter(self._known.items()))
            if known.since >= oldest and len(self._known) <= MAX_KEYS and self._bytes <= MAX_BYTES:
                return
            self._drop(first)

    def _drop(self, name: tuple[str, str]) -> None:
        known = self._known.pop(name, None)
        if known is not None:
            self._bytes -= len(known.end.reply.body)


def _digest(operation: Operation[Any]) -> bytes:
    """Return the digest of an operation. A digest of the message would differ per sealing."""
    return sha256(operation.row.name.encode() + b"\0" + wire.encode(operation)).digest()
