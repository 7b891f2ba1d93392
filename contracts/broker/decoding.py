"""Reads every message: what somebody wrote into a property must not end the connection.

The library closes the connection over a property that it cannot read. The message would come back
over the next one, and the one after it: a producer that gives its timestamp in microseconds would
keep every worker of a provider from its work.
"""

from pamqp import decode
from pamqp.common import FieldValue


def read_any_property() -> None:
    """Have the library read what it would stumble over; for the whole process."""
    decode.METHODS["shortstr"] = _short_str
    decode.METHODS["timestamp"] = decode.TABLE_MAPPING[b"T"] = _timestamp


def _short_str(value: bytes) -> tuple[int, str]:
    """Text that is not UTF-8 stays recognisable, and different texts stay different."""
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "backslashreplace")


def _timestamp(value: bytes) -> tuple[int, FieldValue]:
    """A time beyond the calendar is as good as none."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None
