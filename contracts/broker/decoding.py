"""Reads every message: what somebody wrote into a property must not end the connection.

The library closes the connection over a property that it cannot read. The message would come back
over the next one, and the one after it: a producer that gives its timestamp in microseconds would
keep every worker of a provider from its work.
"""

from struct import Struct, error

from pamqp import decode
from pamqp.common import FieldTable, FieldValue

MOST_NESTED = 8
"""Tables and arrays within each other that are read; the broker's own headers have three."""

SIZE = Struct(">I")
FIXED = {
    ord(kind): Struct(f">{form}") for kind, form in zip("tbBsuIilLfd", "?bBhHiIqqfd", strict=True)
}
NOTHING = b"V\0"
TEXT, BYTES, TABLE, ARRAY, TIME, DECIMAL = b"SxFATD"
UNREADABLE = (error, IndexError, ValueError)


def read_any_property() -> None:
    """Have the library read what it would stumble over; for the whole process."""
    decode.METHODS["shortstr"] = _short_str
    decode.METHODS["timestamp"] = _timestamp
    decode.METHODS["table"] = _headers


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


def _headers(value: bytes) -> tuple[int, FieldTable]:
    end = 4 + int.from_bytes(value[:4])
    return end, _table(value, 4, end, MOST_NESTED)


def _table(data: bytes, at: int, end: int, levels: int) -> FieldTable:
    """The entries up to the first that cannot be read; the broker goes by the first of a name."""
    table: FieldTable = {}
    try:
        while at < end:
            size, name = _short_str(data[at : at + 1 + data[at]])
            value, at = _value(data, at + size, levels)
            table.setdefault(name, value)
    except UNREADABLE:
        pass
    return table


def _array(data: bytes, at: int, end: int, levels: int) -> list[FieldValue]:
    """The values up to the first that cannot be read."""
    array: list[FieldValue] = []
    try:
        while at < end:
            value, at = _value(data, at, levels)
            array.append(value)
    except UNREADABLE:
        pass
    return array


def _value(data: bytes, at: int, levels: int) -> tuple[FieldValue, int]:
    """The value whose type is told at an offset, and the offset behind it."""
    kind = data[at]
    at += 1
    if fixed := FIXED.get(kind):
        return fixed.unpack_from(data, at)[0], at + fixed.size
    if kind in NOTHING:
        return None, at
    if kind == TIME:
        return _timestamp(data[at : at + 8])[1], at + 8
    if kind == DECIMAL:
        return decode.decimal(data[at : at + 5])[1], at + 5
    begin = at + SIZE.size
    end = begin + SIZE.unpack_from(data, at)[0]
    return _counted(kind, data, begin, end, levels), end


def _counted(kind: int, data: bytes, begin: int, end: int, levels: int) -> FieldValue:
    """What tells its size; what is nested too deeply is none, or it would exhaust the stack."""
    if kind == TEXT:
        return decode.long_str(data[begin - SIZE.size : end])[1]
    if kind == BYTES:
        return data[begin:end]
    if kind not in (TABLE, ARRAY):
        raise ValueError(f"unknown type {kind}")
    if not levels:
        return None
    return (_table if kind == TABLE else _array)(data, begin, end, levels - 1)
