"""Decodes the properties of every message, however malformed.

The library closes the connection if it cannot decode a property. The message would be redelivered
on the next connection and close it again: one producer with timestamps in microseconds would stop
every worker of a provider.
"""

from struct import Struct, error

from pamqp import decode
from pamqp.common import FieldTable, FieldValue

MOST_NESTED = 8
"""The maximal depth of nested tables and arrays; headers from the broker have three levels."""

SIZE = Struct(">I")
FIXED = {
    ord(kind): Struct(f">{form}") for kind, form in zip("tbBsuIilLfd", "?bBhHiIqqfd", strict=True)
}
VOID = b"V\0"
TEXT, BYTES, TABLE, ARRAY, TIME, DECIMAL = b"SxFATD"
UNREADABLE = (error, IndexError, ValueError)


def read_any_property() -> None:
    """Replace the library's decoders of properties, for the whole process."""
    decode.METHODS["shortstr"] = _short_str
    decode.METHODS["timestamp"] = _timestamp
    decode.METHODS["table"] = _headers


def _short_str(value: bytes) -> tuple[int, str]:
    """Decode a short string; escapes of non-UTF-8 bytes keep different texts distinct."""
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "backslashreplace")


def _timestamp(value: bytes) -> tuple[int, FieldValue]:
    """Decode a timestamp; one outside the range of `datetime` is None."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None


def _headers(value: bytes) -> tuple[int, FieldTable]:
    end = 4 + int.from_bytes(value[:4])
    return end, _table(value, 4, end, MOST_NESTED)


def _table(data: bytes, at: int, end: int, levels: int) -> FieldTable:
    """Decode entries up to an invalid one; as in the broker, the first entry of a name counts."""
    table: FieldTable = {}
    try:
        while at < end:
            begin = at + 1
            at = begin + data[at]
            name = data[begin:at].decode("utf-8", "backslashreplace")
            value, at = _value(data, at, levels)
            table.setdefault(name, value)
    except UNREADABLE:
        pass
    return table


def _array(data: bytes, at: int, end: int, levels: int) -> list[FieldValue]:
    """Decode the values up to the first invalid one."""
    array: list[FieldValue] = []
    try:
        while at < end:
            value, at = _value(data, at, levels)
            array.append(value)
    except UNREADABLE:
        pass
    return array


def _value(data: bytes, at: int, levels: int) -> tuple[FieldValue, int]:
    """Decode the type and value at an offset; return the value and the offset after it."""
    kind = data[at]
    at += 1
    if kind == TEXT:  # most headers
        begin = at + SIZE.size
        end = begin + SIZE.unpack_from(data, at)[0]
        return _text(data[begin:end]), end
    if fixed := FIXED.get(kind):
        return fixed.unpack_from(data, at)[0], at + fixed.size
    if kind in VOID:
        return None, at
    if kind == TIME:
        return _timestamp(data[at : at + 8])[1], at + 8
    if kind == DECIMAL:
        return decode.decimal(data[at : at + 5])[1], at + 5
    begin = at + SIZE.size
    end = begin + SIZE.unpack_from(data, at)[0]
    return _sized(kind, data, begin, end, levels), end


def _text(value: bytes) -> str | bytes:
    """Decode a text; one that is not UTF-8 stays bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _sized(kind: int, data: bytes, begin: int, end: int, levels: int) -> FieldValue:
    """Decode a value with a size prefix; None beyond the maximal depth, to bound the stack."""
    if kind == BYTES:
        return data[begin:end]
    if kind not in (TABLE, ARRAY):
        raise ValueError(f"unknown type {kind}")
    if not levels:
        return None
    return (_table if kind == TABLE else _array)(data, begin, end, levels - 1)
