"""Limits of JSON: the same on every Python, stated in the error, and held by every decoder."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import json_limits, outcomes, roll, secrecy, wire
from contracts.api import UpdateControllerReplicas
from contracts.broker.attendance import Attendance
from contracts.faults import Fault
from contracts.json_limits import ANSWERS, BODIES, MESSAGES, RECORDS, LimitExceeded, Limits
from contracts.topology import ATTENDANCE, COMMANDS
from contracts.wire import Message
from gateway.console import entries

DEPTHS = [500, 5_000, 50_000]
"""What 3.11 refuses by its recursion limit, what 3.13 accepts, and what no Python accepts."""

SMALL = Limits(size=1_000, depth=3, members=20)


def deep(depth: int, inner: str = "1") -> bytes:
    """An object with a member that is nested so deeply with it, objects and arrays by turns."""
    left = '{"a":[' * (depth // 2)
    return f"{left}{inner}{']}' * (depth // 2)}".encode()


def depth_of(value: Any) -> int:
    """How deeply a value is nested."""
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((depth_of(each) for each in inner), default=0)


AWKWARD = st.text('[]{}",:\\\n a') | st.none() | st.integers(0, 9)
VALUES = st.recursive(
    AWKWARD, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text('[{"\\]}'), of)
)


@given(VALUES, st.booleans())
def test_depth_is_measured_exactly_whatever_is_in_strings(value, is_ascii):
    body = json.dumps(value, ensure_ascii=is_ascii).encode()
    depth = depth_of(value)
    many = Limits(size=10**6, depth=depth, members=10**6)

    json_limits.check(body, many)
    if depth:
        with pytest.raises(LimitExceeded, match=f"at most {depth - 1} deep"):
            json_limits.check(body, msgspec.structs.replace(many, depth=depth - 1))


@given(VALUES)
def test_what_is_within_the_limits_is_decoded_as_ever(value):
    body = json.dumps(value).encode()

    assert json_limits.decode(body, BODIES) == value


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[[[[1]]]]", "nested at most 3 deep"),
        (b"[" * 50, "nested at most 3 deep"),
        (b'["a", [[[', "nested at most 3 deep"),
        (b"[" + b"1," * 30 + b"1]", "at most 20 values"),
        (b"[" + b"[]," * 30 + b"1]", "at most 20 values"),
        (b'"' + b"a" * 1_000 + b'"', "at most 1000 bytes, got 1002"),
    ],
)
def test_an_error_states_the_limit(body, said):
    with pytest.raises(LimitExceeded, match=said):
        json_limits.decode(body, SMALL)


@pytest.mark.parametrize(
    "body",
    [b"[[[1]]]", b"[" + b"1," * 19 + b"1]", b'"' + b"[,{" * 300 + b'"', b'["\\"[[[[", "\\\\"]'],
)
def test_what_reaches_a_limit_and_what_is_in_strings_is_accepted(body):
    json_limits.decode(body, SMALL)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_request_that_is_nested_deeper_than_the_limit_is_refused_on_every_python(depth):
    for decoder in (wire.parse, lambda body: wire.decode("update_controller_replicas", body)):
        with pytest.raises(Fault, match=r"nested at most 10[02] deep"):
            decoder(deep(depth))


@pytest.mark.parametrize("depth", [2, 50, 100])
def test_a_body_within_the_limit_of_depth_is_within_that_of_its_message(depth):
    body = wire.parse(deep(depth))
    wrapped = msgspec.json.encode({"scope": "a", "manifest": body})

    assert wire.decode("apply_service", wrapped).manifest == body  # type: ignore[attr-defined]  # of this operation


def test_limits_grow_with_what_is_wrapped_around_a_body():
    for inner, outer in ((BODIES, MESSAGES), (MESSAGES, RECORDS), (RECORDS, ANSWERS)):
        assert inner.size <= outer.size
        assert inner.members < outer.members
    assert BODIES.depth < MESSAGES.depth < RECORDS.depth


def message(body: bytes, **what: Any) -> Message:
    """A message with this body."""
    plain = {"exchange": COMMANDS, "key": "k8s.0.a", "type": ATTENDANCE, "message_id": "1"}
    return Message(body=body, **(plain | what))


@pytest.mark.parametrize("body", [*map(deep, DEPTHS), b'{"workers":"\xff"}'])
def test_no_decoder_of_messages_is_stopped_by_one(body):
    """Each says what it says to all else that it cannot read."""
    assert roll.workers_in(message(body)) == 1
    assert entries.record(message(body)) is None
    assert entries.dead(message(body)).body is None
    assert secrecy.may_hold_secrets("apply_secret", body)
    with pytest.raises(msgspec.DecodeError):
        outcomes.read(message(body))
    with pytest.raises(msgspec.DecodeError):
        Attendance(frozenset()).hear(message(body))


def test_an_ordinary_operation_is_decoded():
    assert wire.decode("update_controller_replicas", b'{"scope":"a","name":"b","replicas":1}') == (
        UpdateControllerReplicas("a", "b", 1)
    )
