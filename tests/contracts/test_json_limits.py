"""JSON limits: equal on every Python version, stated in the error, applied by every decoder."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import outcomes, roll, secrecy, wire
from contracts.api import UpdateControllerReplicas
from contracts.broker.attendance import Attendance
from contracts.broker.stream_reader import OFFSET
from contracts.checks import json_limits
from contracts.checks.json_limits import ANSWERS, BODIES, MESSAGES, RECORDS, LimitExceeded, Limits
from contracts.faults import Fault
from contracts.topology import ATTENDANCE, COMMANDS
from contracts.wire import Message
from gateway.audit.entries import entry
from gateway.console.dead.letters import dead

DEPTHS = [500, 5_000, 50_000]
"""Depths beyond our limit: Python 3.13 accepts 5,000, but not 3.11; no version accepts 50,000."""

SMALL = Limits(size=1_000, depth=3, members=20)


def deep(depth: int, inner: str = "1") -> bytes:
    """Return JSON of this depth, in which objects and arrays alternate."""
    left = '{"a":[' * (depth // 2)
    return f"{left}{inner}{']}' * (depth // 2)}".encode()


def depth_of(value: Any) -> int:
    """Return the depth of a value."""
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((depth_of(each) for each in inner), default=0)


AWKWARD = st.text('[]{}",:\\\n a') | st.none() | st.integers(0, 9)
VALUES = st.recursive(
    AWKWARD, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text('[{"\\]}'), of)
)


@given(VALUES, st.booleans())
def test_the_measured_depth_is_exact_for_any_content_of_strings(value, is_ascii):
    body = json.dumps(value, ensure_ascii=is_ascii).encode()
    depth = depth_of(value)
    many = Limits(size=10**6, depth=depth, members=10**6)

    json_limits.check(body, many)
    if depth:
        with pytest.raises(LimitExceeded, match=f"at most {depth - 1} deep"):
            json_limits.check(body, msgspec.structs.replace(many, depth=depth - 1))


@given(VALUES)
def test_json_within_the_limits_is_decoded(value):
    body = json.dumps(value).encode()

    assert json_limits.decode(body, BODIES) == value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[[[[1]]]]", "nested at most 3 deep"),
        (b"[" * 50, "nested at most 3 deep"),
        (b'["a", [[[', "nested at most 3 deep"),
        (b"[" + b"1," * 30 + b"1]", "at most 20 values"),
        (b"[" + b"[]," * 30 + b"1]", "at most 20 values"),
        (b'"' + b"a" * 1_000 + b'"', "at most 1000 bytes, got 1002"),
    ],
)
def test_an_error_states_the_limit(body, expected):
    with pytest.raises(LimitExceeded, match=expected):
        json_limits.decode(body, SMALL)


@pytest.mark.parametrize(
    "body",
    [b"[[[1]]]", b"[" + b"1," * 19 + b"1]", b'"' + b"[,{" * 300 + b'"', b'["\\"[[[[", "\\\\"]'],
)
def test_json_that_just_reaches_a_limit_and_brackets_in_strings_are_accepted(body):
    json_limits.decode(body, SMALL)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_request_deeper_than_the_limit_is_refused_on_every_python_version(depth):
    for decoder in (wire.parse, lambda body: wire.decode("update_controller_replicas", body)):
        with pytest.raises(Fault, match=r"nested at most 10[02] deep"):
            decoder(deep(depth))


@pytest.mark.parametrize("depth", [2, 50, 100])
def test_a_body_within_the_depth_limit_of_bodies_is_accepted_in_a_message(depth):
    body = wire.parse(deep(depth))
    wrapped = msgspec.json.encode({"scope": "a", "manifest": body})

    assert wire.decode("apply_service", wrapped).manifest == body  # type: ignore[attr-defined]  # of this operation


def test_the_limits_of_an_envelope_are_larger_than_the_limits_of_its_content():
    for inner, outer in ((BODIES, MESSAGES), (MESSAGES, RECORDS), (RECORDS, ANSWERS)):
        assert inner.size <= outer.size
        assert inner.members < outer.members
    assert BODIES.depth < MESSAGES.depth < RECORDS.depth


def message(body: bytes, **what: Any) -> Message:
    """Return a message with this body."""
    plain = {"exchange": COMMANDS, "key": "k8s.0.a", "type": ATTENDANCE, "message_id": "1"}
    return Message(body=body, **(plain | what))


@pytest.mark.parametrize("body", [*map(deep, DEPTHS), b'{"workers":"\xff"}'])
def test_every_decoder_treats_json_over_the_limits_as_any_unreadable_message(body):
    assert roll.workers_in(message(body)) == 1
    assert entry(message(body, headers={OFFSET: 0})) is None
    assert dead(message(body)).body is None
    assert secrecy.may_hold_secrets("apply_secret", body)
    with pytest.raises(msgspec.DecodeError):
        outcomes.read(message(body))
    with pytest.raises(msgspec.DecodeError):
        Attendance(frozenset()).hear(message(body))


def test_a_valid_operation_is_decoded():
    assert wire.decode("update_controller_replicas", b'{"scope":"a","name":"b","replicas":1}') == (
        UpdateControllerReplicas("a", "b", 1)
    )
