"""Builders of audit records."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from contracts import outcomes, topology
from contracts.broker.stream_reader import OFFSET
from contracts.outcomes import Outcome, Result
from contracts.records.requests import Request
from contracts.wire import Message

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def started(command_id: str, at: datetime = NOON, **what: Any) -> Outcome:
    """Return the record of a start, with the request to scale `hello` to 5."""
    body = {"scope": "default", "name": "hello", "replicas": 5}
    request = Request(exchange=topology.COMMANDS, body=body)
    known: dict[str, Any] = {"started": at, "request": request}
    return outcome(command_id, Result.STARTED, **known | what)


def ended(
    command_id: str, result: Result = Result.DONE, at: datetime = NOON, **what: Any
) -> Outcome:
    """Return a final record, one second after the start."""
    return outcome(command_id, result, started=at - timedelta(seconds=1), finished=at, **what)


def outcome(command_id: str, result: Result, **what: Any) -> Outcome:
    """Return a record of a scaling of `hello` in `default` on `k8s`; `what` overrides."""
    known: dict[str, Any] = {
        "operation": "update_controller_replicas",
        "provider": "k8s",
        "address": "controllers.default.hello",
        "requested_by": "icc",
        "user": "gateway",
        "asked": NOON,
    }
    return Outcome(id=command_id, result=result, **known | what)


def in_stream(*records: Outcome) -> list[Message]:
    """Return the messages of records, as a reader of the stream receives them."""
    messages = [outcomes.message_of(each, "worker/test") for each in records]
    return [
        msgspec.structs.replace(each, headers=each.headers | {OFFSET: number})
        for number, each in enumerate(messages)
    ]
