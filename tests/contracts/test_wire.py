"""Decoding operations: unreadable bytes raise a fault with the reason, and no other exception."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import wire
from contracts.api import OPERATIONS, ApplyService, UpdateControllerReplicas
from contracts.faults import Code, Fault
from tests.examples import EXAMPLES

SCALE = "update_controller_replicas"
DEEP = 100_000

UNREADABLE = {
    b"": "expected a JSON object, got an empty body",
    b" ": "expected a JSON object",
    b"{": "expected a JSON object",
    b"{} {}": "expected a JSON object",
    b"{'scope': 'default'}": "expected a JSON object, got invalid JSON",
    b'{"scope": NaN}': "expected a JSON object, got invalid JSON",
    b"[]": "expected a JSON object",
    b"null": "expected a JSON object",
    b'"text"': "expected a JSON object",
    b"3": "expected a JSON object",
    b"\xff\xfe{": "expected a JSON object",
    b'{"scope": "\xff"}': "expected a JSON object, got invalid JSON: JSON is expected in UTF-8",
    b'{"scope": "\\ud800"}': "expected a JSON object",
    b'{"replicas": ' + b"9" * 5000 + b"}": "expected a JSON object",
    b'{"manifest": '
    + b"[" * DEEP
    + b"]" * DEEP
    + b"}": "expected JSON whose arrays and objects are nested at most 10",
}

EVERY_UNREADABLE = pytest.mark.parametrize(
    ("body", "reason"), UNREADABLE.items(), ids=[ascii(body[:24]) for body in UNREADABLE]
)


@EVERY_UNREADABLE
def test_a_body_that_is_not_a_json_object_is_refused(body, reason):
    with pytest.raises(Fault) as raised:
        wire.parse(body)

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(reason)


@EVERY_UNREADABLE
@pytest.mark.parametrize("name", [SCALE, "apply_service"])
def test_a_message_that_is_not_a_json_object_is_refused_for_the_same_reason(name, body, reason):
    with pytest.raises(Fault) as raised:
        wire.decode(name, body)

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(reason)


@given(st.binary(), st.sampled_from(list(OPERATIONS)))
def test_random_bytes_raise_a_fault(body, name):
    with pytest.raises(Fault):
        wire.decode(name, body)


@given(st.sampled_from(list(OPERATIONS)), st.data())
def test_a_message_with_a_changed_byte_raises_no_exception_but_a_fault(name, data):
    body = bytearray(wire.encode(EXAMPLES[name]))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    with suppress(Fault):
        assert isinstance(wire.decode(name, bytes(body)), OPERATIONS[name])


def test_the_fault_of_an_unknown_operation_lists_the_known_ones():
    with pytest.raises(Fault) as raised:
        wire.decode("launch_rocket", b"{}")

    assert raised.value.code is Code.NOT_UNDERSTOOD
    assert raised.value.status == 501
    assert "'launch_rocket'" in raised.value.message
    assert "get_machines" in raised.value.message


def test_unknown_members_are_ignored():
    """A newer gateway may send them. If an older worker could misread one, CONTRACT is raised."""
    body = b'{"scope": "default", "name": "hello", "replicas": 3, "surge": true}'

    assert wire.decode(SCALE, body) == EXAMPLES[SCALE]


def test_members_are_in_camel_case_and_defaults_are_left_out():
    body = wire.encode(
        UpdateControllerReplicas(scope="default", name="hello", replicas=0, api_version="apps/v1")
    )

    assert msgspec.json.decode(body) == {
        "scope": "default",
        "name": "hello",
        "replicas": 0,
        "apiVersion": "apps/v1",
    }


def test_numbers_in_a_manifest_keep_their_precision():
    manifest = {"metadata": {"name": "a"}, "large": 2**53 + 1, "huge": 2**70, "float": 0.1}
    operation = ApplyService(scope="default", manifest=manifest)

    assert wire.decode("apply_service", wire.encode(operation)) == operation
