"""A recorded history: commands, platform calls, audit records and disturbances.

Times are seconds of the Unix epoch, from the clock of one machine. A worker is identified by its
process id; 0 is any other process, such as the recorder in a gateway.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from contracts.outcomes import Result

KILL: Final = "kill"
RESTART: Final = "restart"


class Fate(Enum):
    """The result of a command as its publisher knows it."""

    CONFIRMED = "confirmed"
    """The broker confirmed the event."""
    ANSWERED = "answered"
    """The REST call ended with 2xx."""
    REFUSED = "refused"
    """429, 503 or a refused event: the command is never attempted."""
    OPEN = "open"
    """504 or a missing confirm: the command may have run."""


ACCEPTED = frozenset({Fate.CONFIRMED, Fate.ANSWERED})


class Command(Struct, frozen=True, kw_only=True):
    """A scale command with a unique value; the id is None if the audit has no record."""

    address: str
    value: int
    fate: Fate
    id: str | None = None


class Write(Struct, frozen=True, kw_only=True):
    """A call in the log of the platform; the end is None if it was never answered."""

    address: str
    value: int
    start: float
    end: float | None


class Record(Struct, frozen=True, kw_only=True):
    """An audit record; `at` is the time at which the run started or ended."""

    id: str
    address: str
    result: Result
    at: float
    worker: int = 0
    superseded_by: str | None = None


class Disturbance(Struct, frozen=True, kw_only=True):
    """An applied disturbance; `hits` are the workers whose runs it may have interrupted."""

    what: str
    hits: frozenset[int]
    began: float
    ended: float


class History(Struct, frozen=True):
    """`commands` of an address are in publish order, `records` in order of arrival."""

    commands: list[Command]
    writes: list[Write]
    records: list[Record]
    disturbances: list[Disturbance]
