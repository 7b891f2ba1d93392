"""Decoding of malformed properties, which must not close the connection."""

import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.decode import by_type

from contracts.broker.decoding import MOST_NESTED, read_any_property
from tests.broker.bytes_of import array, field, nested, table, text

NUMBERS = {b"b": "b", b"B": "B", b"s": "h", b"u": "H", b"I": "i", b"i": "I", b"l": "q", b"d": "d"}

names = st.binary(max_size=255)
numbers = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda kind: st.binary(
        min_size=struct.calcsize(NUMBERS[kind]), max_size=struct.calcsize(NUMBERS[kind])
    ).map(lambda value: kind + value)
)
others = st.one_of(
    st.binary(max_size=40).map(text),
    st.binary(max_size=40).map(lambda value: b"x" + text(value)[1:]),
    st.binary(min_size=8, max_size=8).map(lambda value: b"T" + value),
    st.binary(min_size=5, max_size=5).map(lambda value: b"D" + value),
    st.sampled_from([b"V", b"t\x00", b"t\x02"]),
)
values = st.recursive(
    numbers | others,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda of: array(*of))
        | st.lists(st.builds(field, names, inner), max_size=3).map(lambda of: nested(*of))
    ),
    max_leaves=8,
)


@pytest.fixture(autouse=True, scope="module")
def lenient() -> None:
    """Replace the library's decoders, as every process with a connection does."""
    read_any_property()


def headers(raw: bytes) -> dict[str, object]:
    """Return the decoded headers of a message; the property after them must be decoded too."""
    properties = Basic.Properties()
    properties.unmarshal(Basic.Properties.flags["headers"] | 0x80, raw + b"\x02id")
    assert properties.message_id == "id"
    return dict(properties.headers or {})


@pytest.mark.parametrize("microseconds", [1_790_000_000_000_000, 2**64 - 1])
def test_a_timestamp_out_of_range_is_none(microseconds: int) -> None:
    value = struct.pack(">Q", microseconds)

    assert by_type(value, "timestamp") == (8, None)
    assert headers(table(field(b"t", b"T" + value))) == {"t": None}


def test_a_valid_timestamp_is_decoded() -> None:
    _, read = by_type(struct.pack(">Q", 1_790_000_000), "timestamp")

    assert read.timestamp() == 1_790_000_000  # type: ignore[union-attr]


@pytest.mark.parametrize(("raw", "read"), [(b"caf\xc3\xa9", "café"), (b"a\xff", "a\\xff")])
def test_bytes_of_a_text_that_are_not_utf_8_are_escaped(raw: bytes, read: str) -> None:
    value = bytes([len(raw)]) + raw + b"more"

    assert by_type(value, "shortstr") == (1 + len(raw), read)


@given(st.dictionaries(names, values, max_size=5))
def test_every_table_that_the_broker_accepts_is_decoded_completely(
    fields: dict[bytes, bytes],
) -> None:
    read = headers(table(*(field(name, value) for name, value in fields.items())))

    assert len(read) == len({name.decode("utf-8", "backslashreplace") for name in fields})


@given(st.binary(max_size=300))
def test_random_bytes_are_decoded_up_to_the_first_invalid_entry(raw: bytes) -> None:
    assert all(isinstance(name, str) for name in headers(struct.pack(">I", len(raw)) + raw))


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"t\x01", True),
        (b"b\x80", -128),
        (b"B\x80", 128),
        (b"s\x80\x00", -(2**15)),
        (b"u\x80\x00", 2**15),
        (b"I\x80\x00\x00\x00", -(2**31)),
        (b"i\x80\x00\x00\x00", 2**31),
        (b"l\x80" + bytes(7), -(2**63)),
        (b"d" + struct.pack(">d", 0.1), 0.1),
        (b"f" + struct.pack(">f", 0.5), 0.5),
        (b"V", None),
        (b"x\x00\x00\x00\x02\xff\x00", b"\xff\x00"),
        (text(b"caf\xc3\xa9"), "café"),
        (text(b"\xff"), b"\xff"),
        (array(text(b"a"), nested(field(b"b", b"V"))), ["a", {"b": None}]),
    ],
)
def test_values_of_every_type_are_decoded(raw: bytes, read: object) -> None:
    assert headers(table(field(b"a", raw), field(b"z", b"B\x07"))) == {"a": read, "z": 7}


def test_a_header_name_that_is_not_utf_8_is_escaped_and_later_headers_are_decoded() -> None:
    assert headers(table(field(b"a\xff", b"V"), field(b"CC", array()))) == {
        "a\\xff": None,
        "CC": [],
    }


def test_the_first_of_two_headers_with_one_name_counts_as_in_the_broker() -> None:
    assert headers(table(field(b"a", b"B\x01"), field(b"a", b"B\x02"))) == {"a": 1}


@pytest.mark.parametrize("wrap", [array, lambda inner: nested(field(b"a", inner))])
def test_values_below_the_maximal_depth_are_none(wrap: Callable[[bytes], bytes]) -> None:
    raw = b"V"
    for _ in range(5000):
        raw = wrap(raw)

    read = headers(table(field(b"deep", raw), field(b"z", b"B\x07")))

    assert read["z"] == 7
    assert str(read["deep"]).count("[") + str(read["deep"]).count("{") == MOST_NESTED


def test_a_full_frame_of_tiny_values_is_decoded_within_a_second() -> None:
    """The library's own decoder took two seconds."""
    raw = table(field(b"a", array(*[b"V"] * 130_000)))

    began = time.process_time()
    headers(raw)

    assert time.process_time() - began < 1
