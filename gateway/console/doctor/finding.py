"""A finding of `machinist doctor`: a fault, its meaning, and the command that mends it."""

import shlex
from collections.abc import Iterable, Sized
from enum import StrEnum

from msgspec import Struct

MOST_NAMES = 6


class Severity(StrEnum):
    """An error affects requests or promises; a warning will, or did; unchecked: no fact known."""

    ERROR = "error"
    WARNING = "warning"
    UNCHECKED = "not checked"


class Finding(Struct, frozen=True, kw_only=True):
    """A fault; `check` is the stable name of its kind, `remedy` commands or an instruction."""

    check: str
    what: str
    meaning: str
    remedy: str
    severity: Severity = Severity.ERROR


def warning(check: str, what: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that does not affect requests yet."""
    return Finding(
        check=check, what=what, meaning=meaning, remedy=remedy, severity=Severity.WARNING
    )


def error(check: str, what: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that affects requests or promises."""
    return Finding(check=check, what=what, meaning=meaning, remedy=remedy)


def unchecked(check: str, what: str, reason: str, remedy: str) -> Finding:
    """Return the statement that a check was not possible, with the reason and how to enable it."""
    return Finding(
        check=check, what=what, meaning=reason, remedy=remedy, severity=Severity.UNCHECKED
    )


def shell(*words: str) -> str:
    """Return a command line for a shell."""
    return shlex.join(words)


def listed(names: Iterable[str]) -> str:
    """Return names as text, the first ones if there are many."""
    known = list(names)
    rest = len(known) - MOST_NAMES
    return ", ".join(known) if rest <= 0 else f"{', '.join(known[:MOST_NAMES])} and {rest} more"


def plural(items: Sized, one: str, many: str) -> str:
    """Return the word for one item, or the word for several."""
    return one if len(items) == 1 else many
