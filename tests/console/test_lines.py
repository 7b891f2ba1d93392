"""What operators read: one line for each record and each dead message."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from contracts import dead_letters, outcomes, topology
from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.wire import Message
from gateway.console.entries import dead, record
from gateway.console.lines import dead_line, json_line, outcome_line

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def command(**what: Any) -> Message:
    """A scale event."""
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
    """The outcome of that event, or of another message, as it is published."""
    of = message or command()
    return outcomes.message_of(outcomes.outcome_of(of, "k8s", result, **what), "worker/0.1.0")


def started(message: Message) -> Message:
    """The record of a command's start, with the request in it."""
    request = request_of(message, operation_in(message, KEYS), KEYS)
    return outcome(Result.STARTED, message, started=NOON, request=request)


def line(message: Message) -> str:
    """The line of a message of the audit."""
    found = record(message)
    assert found is not None
    return outcome_line(found)


def test_a_start_tells_when_what_was_asked_by_whom():
    assert line(started(command())) == (
        "2026-01-31 12:00:00.000 started    m1 k8s controllers.default.hello "
        "update_controller_replicas replicas → 5 by billing"
    )


def test_a_request_over_a_gateway_tells_for_whom_and_through_which_user():
    asked = command(
        exchange=topology.COMMANDS, user_id="gateway", headers={"requested-by": "10.0.0.7"}
    )

    assert line(started(asked)).endswith("by 10.0.0.7 via gateway")


def test_an_event_cannot_tell_for_whom_it_asks():
    told = started(command(headers={"requested-by": "the-boss"}))

    assert line(told).endswith("by billing")


def test_an_outcome_tells_what_it_changed():
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
def test_an_outcome_tells_why_nothing_changed(message, end):
    assert line(message).endswith(end)


def test_what_strangers_write_cannot_write_to_the_terminal():
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
def test_an_outcome_that_nobody_can_read_is_none(body):
    assert record(msgspec.structs.replace(outcome(Result.DONE), body=body)) is None


def test_for_programs_a_start_has_the_request():
    message = command(headers={"deadline": NOON_MS, "idempotency-key": "k"})
    found = record(started(message))
    assert found is not None

    told = json.loads(json_line(found))

    assert (told["id"], told["requestedBy"]) == ("m1", "billing")
    assert told["request"] == {
        "exchange": "machinist.events",
        "deadline": "2026-01-31T12:00:00Z",
        "idempotencyKey": "k",
        "body": {"scope": "default", "name": "hello", "replicas": 5},
    }


def test_for_programs_an_outcome_is_as_it_was_published():
    published = outcome(Result.DONE, status=200, after={"replicas": 5})
    found = record(published)

    assert isinstance(found, Outcome)
    assert json.loads(json_line(found)) == json.loads(published.body)


def test_a_dead_message_tells_who_sent_it_where_and_why_it_cannot_run():
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


def test_what_somebody_else_put_to_the_dead_is_shown_without_a_reason():
    assert dead_line(dead(command(headers={}))).endswith("- no reason given")
