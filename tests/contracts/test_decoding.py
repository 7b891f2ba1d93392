"""Properties that nobody should write, and that must not end a connection."""

import struct

import pytest
from pamqp.decode import by_type, field_table

from contracts.broker.decoding import read_any_property


@pytest.fixture(autouse=True)
def lenient() -> None:
    """As every process of ours that has a link."""
    read_any_property()


@pytest.mark.parametrize("microseconds", [1_790_000_000_000_000, 2**64 - 1])
def test_a_time_beyond_the_calendar_is_none(microseconds: int) -> None:
    value = struct.pack(">Q", microseconds)

    assert by_type(value, "timestamp") == (8, None)
    table = b"\x01tT" + value
    assert field_table(struct.pack(">I", len(table)) + table)[1] == {"t": None}


def test_a_time_is_read_as_ever() -> None:
    _, read = by_type(struct.pack(">Q", 1_790_000_000), "timestamp")

    assert read.timestamp() == 1_790_000_000  # type: ignore[union-attr]


@pytest.mark.parametrize(("raw", "read"), [(b"caf\xc3\xa9", "café"), (b"a\xff", "a\\xff")])
def test_text_that_is_not_utf_8_stays_recognisable(raw: bytes, read: str) -> None:
    value = bytes([len(raw)]) + raw + b"more"

    assert by_type(value, "shortstr") == (1 + len(raw), read)
