"""The console's line for each audit record and each dead letter."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from gateway.console.entries import dead, record
from gateway.console.lines import dead_line, json_line, outcome_line

from contracts import dead_letters, outcomes, topology
from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.wire import Message

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def command(**what: Any) -> Message:
    """Return a scale event with changes."""
    event = Message(
        exchange=topology.EVENTS,
        key="k8s.0.controllers.default.hello",
        body=b'{"scope":"default","name":"hello","replicas":5}',
        type="update_controller_replicas",
        message_id="m1",
        user_id="billing",
        expiration=30_000,
        headers={"deadline": NOON_MS + 30_250},
    )
    return msgspec.structs.replace(event, **what)


KEYS = Seals([bytes(32)])


def outcome(result: Result, message: Message | None = None, **what: Any) -> Message:
    """Return the outcome message of the scale event, or of another command."""
    of = message or command()
    return outcomes.message_of(outcomes.outcome_of(of, "k8s", result, **what), "worker/0.1.0")


def started(message: Message) -> Message:
    """Return the start record of a command, which contains the request."""
    request = request_of(message, operation_in(message, KEYS), KEYS)
    return outcome(Result.STARTED, message, started=NOON, request=request)


def line(message: Message) -> str:
    """Return the console's line of an audit message."""
    found = record(message)
    assert found is not None
    return outcome_line(found)


def test_a_start_shows_time_request_and_requester():
    assert line(started(command())) == (
        "2026-01-31 12:00:00.000 started    m1 k8s controllers.default.hello "
        "update_controller_replicas replicas → 5 by billing"
    )


def test_a_request_over_a_gateway_shows_its_requester_and_the_broker_user():
    asked = command(
        exchange=topology.COMMANDS, user_id="gateway", headers={"requested-by": "10.0.0.7"}
    )

    assert line(started(asked)).endswith("by 10.0.0.7 via gateway")


def test_the_requested_by_header_of_an_event_is_ignored():
    forged = started(command(headers={"requested-by": "the-boss"}))

    assert line(forged).endswith("by billing")


def test_an_outcome_shows_the_change():
    done = outcome(
        Result.DONE,
        finished=NOON,
        status=200,
        before={"replicas": 3},
        after={"replicas": 5},
    )

    assert line(done) == (
        "2026-01-31 12:00:00.000 done       m1 k8s controllers.default.hello "
        "update_controller_replicas replicas 3 → 5 by billing status 200"
    )


@pytest.mark.parametrize(
    ("message", "end"),
    [
        (outcome(Result.STARTED, started=NOON), "by billing"),
        (outcome(Result.SUPERSEDED, superseded_by="m2"), "superseded by m2"),
        (outcome(Result.DONE, status=200, repeats="m0"), "status 200 repeats m0"),
        (
            outcome(Result.FAILED, status=404, fault=Cause(Code.NOT_FOUND, "no such thing")),
            "status 404 - not_found: no such thing",
        ),
    ],
)
def test_an_outcome_without_a_change_shows_the_reason(message, end):
    assert line(message).endswith(end)


def test_control_characters_in_messages_are_escaped():
    shown = line(started(command(message_id="\x1b[2Jm1\r\n", type="a\u202eb")))

    assert shown.isprintable()
    assert r"\x1b[2Jm1\r\n" in shown


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"[5]", b'{"replicas":null}'])
def test_a_request_with_any_body_is_shown(body):
    assert "m1 k8s controllers.default.hello" in line(started(command(body=body)))


@pytest.mark.parametrize("headers", [{"deadline": 10**30}, {"deadline": "x", "x-death": [{}]}])
def test_a_request_with_any_headers_is_shown(headers):
    assert line(started(command(headers=headers))).startswith("2026-01-31 12:00:00.000 started ")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": "\xff"}', b"[" * 100_000])
def test_an_unreadable_outcome_is_none(body):
    assert record(msgspec.structs.replace(outcome(Result.DONE), body=body)) is None


def test_the_json_of_a_start_has_the_request():
    message = command(headers={"deadline": NOON_MS, "idempotency-key": "k"})
    found = record(started(message))
    assert found is not None

    decoded = json.loads(json_line(found))

    assert (decoded["id"], decoded["requestedBy"]) == ("m1", "billing")
    assert decoded["request"] == {
        "exchange": "machinist.events",
        "deadline": "2026-01-31T12:00:00Z",
        "idempotencyKey": "k",
        "body": {"scope": "default", "name": "hello", "replicas": 5},
    }


def test_the_json_of_an_outcome_is_the_published_body():
    published = outcome(Result.DONE, status=200, after={"replicas": 5})
    found = record(published)

    assert isinstance(found, Outcome)
    assert json.loads(json_line(found)) == json.loads(published.body)


def test_a_dead_letter_shows_sender_queue_and_reason():
    letter = dead_letters.dead_letter(
        command(timestamp=NOON_MS // 1000),
        "expected the routing key k8s.4.x, got k8s.0.y",
        "machinist.k8s.commands.0",
        "worker/0.1.0",
    )

    assert dead_line(dead(letter)) == (
        "2026-01-31 12:00:00.000 m1 k8s.0.controllers.default.hello update_controller_replicas "
        "by billing in machinist.k8s.commands.0 - expected the routing key k8s.4.x, got k8s.0.y"
    )
    assert json.loads(json_line(dead(letter)))["reason"].startswith("expected the routing key")


def test_a_message_in_the_dead_queue_without_a_reason_is_shown():
    assert dead_line(dead(command(headers={}))).endswith("- no reason given")
