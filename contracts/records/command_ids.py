"""Ids of commands that contain the time at which they were made: UUID version 7 (RFC 9562).

The audit is a stream, in which a record is found by its time. With the time in the id, a look-up of
a command reads the records of a few minutes instead of all records.
"""

import re
import secrets
import time
from datetime import UTC, datetime

SHORT = 16
"""The digits of a short id: the time, the version and 12 random bits."""

TIMED = re.compile(r"([0-9a-f]{12})7[0-9a-f]{3}([89ab][0-9a-f]{15})?")


def new_command_id() -> str:
    """Return a new id, of 32 hexadecimal digits."""
    milliseconds, random = time.time_ns() // 1_000_000, secrets.randbits(74)
    value = milliseconds << 80 | 7 << 76 | random >> 62 << 64 | 2 << 62 | random & (1 << 62) - 1
    return f"{value:032x}"


def time_in(command_id: str) -> datetime | None:
    """Return the time in an id or in a short id, None if another program made the id."""
    found = TIMED.fullmatch(command_id)
    try:
        return datetime.fromtimestamp(int(found[1], 16) / 1000, UTC) if found else None
    except (ValueError, OverflowError):
        return None
