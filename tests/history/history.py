"""What happened, as data: what was asked, what the platform saw, what was recorded, what was hurt.

Times are seconds of the Unix epoch, all by the clock of one machine. Workers are told by their
process ids; 0 stands for what is no worker, such as the recorder in a gateway.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from contracts.outcomes import Result

KILL: Final = "kill"
RESTART: Final = "restart"


class Fate(Enum):
    """What a publisher knows of its command at the end."""

    CONFIRMED = "confirmed"
    """An event that the broker took."""
    ANSWERED = "answered"
    """A REST call that ended with 2xx."""
    REFUSED = "refused"
    """429 or 503: nothing was attempted and nothing will be."""
    OPEN = "open"
    """504, or no confirm: it may or may not have happened."""


ACCEPTED = frozenset({Fate.CONFIRMED, Fate.ANSWERED})


class Command(Struct, frozen=True, kw_only=True):
    """A scale command of its own value; without an id it has no record."""

    address: str
    value: int
    fate: Fate
    id: str | None = None


class Write(Struct, frozen=True, kw_only=True):
    """A call in the platform's own log; without an end it was never answered."""

    address: str
    value: int
    start: float
    end: float | None


class Record(Struct, frozen=True, kw_only=True):
    """An outcome; `at` is when the run started or ended."""

    id: str
    address: str
    result: Result
    at: float
    worker: int = 0
    superseded_by: str | None = None


class Disturbance(Struct, frozen=True, kw_only=True):
    """What was done to whom, and until when; `hits` are the workers whose runs it may have cut."""

    what: str
    hits: frozenset[int]
    began: float
    ended: float


class History(Struct, frozen=True):
    """`commands` of an address are in publish order, `records` in the order in which they came."""

    commands: list[Command]
    writes: list[Write]
    records: list[Record]
    disturbances: list[Disturbance]
