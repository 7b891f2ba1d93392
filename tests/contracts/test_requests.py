"""Requests in the audit: complete, and without readable secrets."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from contracts import address, wire
from contracts.api import OPERATIONS
from contracts.operation import Operation
from contracts.records.requests import (
    HOLDS_SECRETS,
    NOT_UNDERSTOOD,
    Request,
    operation_in,
    request_of,
)
from contracts.records.summary import Summary
from contracts.seal import SEALED, Seals
from contracts.topology import EVENTS, MESSAGE_LIMIT
from contracts.wire import Message
from tests.examples import EXAMPLES

KEYS = Seals([bytes(32)])
OTHER_KEYS = Seals([b"k" * 32])
CANARY = "canary-0815"
MANIFEST = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "hello", "labels": {"app": "hello"}},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "containers": [
                    {"image": "shop:2", "env": [{"name": "TOKEN", "value": CANARY}]},
                ]
            }
        },
    },
}


def event(name: str, body: bytes, **what: Any) -> Message:
    """Return a producer's event with this type and body."""
    message = Message(
        exchange=EVENTS, key="k8s.0.x", body=body, type=name, message_id="m1", user_id="producer"
    )
    return msgspec.structs.replace(message, **what)


def kept(message: Message, seals: Seals = KEYS) -> Request:
    """Return the request that the audit keeps for a message."""
    return request_of(message, operation_in(message, seals), seals)


def sealed(operation: Operation[Any]) -> Message:
    """Return a command with a sealed body."""
    where = address.address(operation)
    name = operation.row.name
    body = KEYS.seal(wire.encode(operation), name, where)
    return event(name, body, key=f"k8s.0.{where}", content_type=SEALED)


def built(name: str, **values: Any) -> Operation[Any]:
    """Return the operation with these values."""
    return wire.build(OPERATIONS[name], values)


@pytest.mark.parametrize("name", ["update_controller_replicas", "apply_service", "delete_service"])
def test_a_request_without_secrets_is_kept_completely(name):
    operation = EXAMPLES[name]
    message = event(
        name,
        wire.encode(operation),
        headers={
            "deadline": 1_790_000_000_000,
            "idempotency-key": "k",
            "retries": "m0",
            "replay-of": "m1",
        },
    )

    request = kept(message)

    record = msgspec.json.decode(msgspec.json.encode(request))
    assert record["body"] == msgspec.to_builtins(operation)
    assert (record["exchange"], record["idempotencyKey"]) == ("machinist.events", "k")
    assert (record["retries"], record["replayOf"]) == ("m0", "m1")
    assert request.deadline == datetime.fromtimestamp(1_790_000_000, UTC)


def test_an_unknown_member_is_not_kept():
    body = b'{"scope":"default","name":"hello","replicas":2,"x":"%s"}' % CANARY.encode()

    record = msgspec.json.encode(kept(event("update_controller_replicas", body)))

    assert CANARY.encode() not in record


def test_a_sealed_body_is_kept_sealed_with_a_summary():
    message = sealed(built("apply_controller", scope="default", manifest=MANIFEST))

    request = kept(message)

    assert request.body is None
    assert request.sealed == base64.b64encode(message.body).decode()
    assert request.summary == Summary(
        images=["shop:2"], replicas=3, labels={"app": "hello"}, environment=["TOKEN"]
    )
    assert CANARY.encode() not in msgspec.json.encode(request)


def test_equal_operations_have_equal_digests_under_the_same_key_only():
    operation = built("apply_controller", scope="default", manifest=MANIFEST)
    other = built("apply_controller", scope="other", manifest=MANIFEST)

    first, second, third = (kept(sealed(each)).digest for each in (operation, operation, other))

    assert first == second != third
    assert first != OTHER_KEYS.digest(wire.encode(operation), like=OTHER_KEYS.seal(b"{}", "x", "y"))


def test_a_sealed_body_is_kept_without_summary_and_digest_if_its_key_is_missing():
    message = sealed(built("apply_controller", scope="default", manifest=MANIFEST))

    request = kept(message, OTHER_KEYS)

    assert request.sealed
    assert (request.summary, request.digest) == (None, None)


def test_the_summary_of_a_secret_has_the_names_of_its_keys():
    manifest = {"metadata": {"name": "s"}, "data": {"a": "Yw=="}, "stringData": {"b": CANARY}}

    summary = kept(sealed(built("apply_secret", scope="default", manifest=manifest))).summary

    assert summary is not None
    assert summary.secret_keys == ["a", "b"]


def test_the_summary_of_a_workload_has_the_names_of_its_variables():
    workload = {
        "name": "shop",
        "image": "shop:2",
        "minReplicas": 2,
        "env": [{"name": "TOKEN", "value": CANARY}],
        "pullSecret": {"registry": "r", "username": "u", "password": CANARY},
    }

    summary = kept(sealed(built("apply_workload", scope="default", workload=workload))).summary

    assert summary == Summary(
        images=["shop:2"], replicas=2, environment=["TOKEN"], secret_keys=["pullSecret"]
    )


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("apply_secret", {"scope": "d", "manifest": {"stringData": {"p": CANARY}}}),
        ("apply_secret", {"scope": 5, "manifest": CANARY}),
        ("apply_workload", {"scope": "d", "workload": {"pullSecret": {"password": CANARY}}}),
        ("apply_wrkload", {"scope": "d", "workload": {"pullSecret": {"password": CANARY}}}),
        ("update_controller_replicas", {"scope": "d", "name": "n", "password": CANARY}),
        (
            "apply_controller",
            {"scope": "d", "manifest": {"kind": "List", "items": [{"stringData": {"p": CANARY}}]}},
        ),
    ],
)
def test_an_unsealed_body_with_a_secret_is_withheld(name, body):
    request = kept(event(name, msgspec.json.encode(body)))

    assert request.withheld == HOLDS_SECRETS
    assert CANARY.encode() not in msgspec.json.encode(request)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"[5]", b'{"replicas":null}'])
def test_a_body_that_does_not_match_its_operation_is_withheld(body):
    assert kept(event("update_controller_replicas", body)).withheld == NOT_UNDERSTOOD


def test_a_body_over_the_limit_is_withheld_with_its_size():
    message = wire.bounded(event("update_controller_replicas", b"x" * (MESSAGE_LIMIT + 1)))

    assert (message.body, message.dropped) == (b"", MESSAGE_LIMIT + 1)
    assert kept(message).withheld == "the body had 1048577 bytes, the limit is 1048576"
