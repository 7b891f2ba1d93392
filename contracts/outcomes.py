"""Outcomes: the audit records of commands, as structs and messages; independent of the broker.

A worker publishes `started`, with the request in it, before the first platform call, and then one
final result. A gateway's recorder publishes the final result of a command that the broker
dead-lettered. All records of a command have its `message_id` as id. After a crash an id can have
two final results; the first one counts.
"""

import re
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec

from contracts import CONTRACT, topology
from contracts.checks.json_limits import RECORDS, decode
from contracts.faults import Code, Fault
from contracts.records.requests import MOST_S as MOST_S
from contracts.records.requests import Request
from contracts.records.results import Result as Result
from contracts.wire import (
    HEADER_CONTRACT,
    HEADER_DEADLINE,
    HEADER_REQUESTED_BY,
    HEADER_TRACEPARENT,
    Header,
    Message,
)
from contracts.wire import SHORT_LIMIT as SHORT_LIMIT

OUTCOME = "outcome"
"""The property `type` of the message with an outcome."""

CLOUD_EVENTS = "cloudEvents_"
"""The prefix of CloudEvents 1.0 attributes in its AMQP binding."""

HEADER_STREAM_FILTER = "x-stream-filter-value"
"""The address. RabbitMQ 3.13 and later notes the values of each chunk of a stream, and a reader can
leave out the chunks without an address."""

HEADERS_AT_A_GLANCE = ("who", "what", "before", "after", "why")
"""Headers of a final record; the management UI shows them beside the body."""

GLANCE_LIMIT = 300
"""The maximal number of characters of each of these headers."""

ADDRESS_LIMIT = 200
"""The maximal size in bytes of an address from a routing key; an AMQP key has at most 255."""


class Cause(msgspec.Struct, frozen=True):
    """The code and message of a fault, as the caller of the command received them."""

    code: Code
    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One record of a command.

    `requested_by` is the client of the gateway, or the producer of an event; `user` is the broker
    user that published the command, as checked by the broker. `request` is the command itself: in
    the record `started`, and in the final record of a command that was never started. `before` and
    `after` are the state that the command found and the state that it left. `superseded_by` and
    `repeats` are ids of other commands.
    """

    id: str
    result: Result
    operation: str
    provider: str
    address: str
    requested_by: str | None = None
    user: str | None = None
    asked: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    worker: str | None = None
    status: int | None = None
    fault: Cause | None = None
    request: Request | None = None
    before: Any = None
    after: Any = None
    superseded_by: str | None = None
    repeats: str | None = None


def outcome_of(message: Message, provider: str, result: Result, **what: Any) -> Outcome:
    """Return the outcome of the command in a message; `what` are further fields."""
    return Outcome(
        id=identity(message),
        result=result,
        operation=message.type,
        provider=provider,
        address=claimed_address(message.key),
        requested_by=requested_by(message),
        user=message.user_id,
        asked=asked(message),
        **what,
    )


def failure(fault: Fault) -> dict[str, Any]:
    """Return the fields of an outcome that describe a fault."""
    return {"status": fault.status, "fault": Cause(fault.code, fault.message)}


def identity(message: Message) -> str:
    """Return the id of a command: its `message_id`, or a digest that redeliveries share."""
    digest = sha256(message.key.encode() + b"\0" + message.body).hexdigest()
    return message.message_id or f"unnamed-{digest[:24]}"


def requested_by(message: Message) -> str | None:
    """Return the requester of a command: the broker user, unless a gateway names its client.

    The header counts only on `machinist.commands`, where only gateways may publish.
    """
    client = message.headers.get(HEADER_REQUESTED_BY)
    if message.exchange == topology.COMMANDS and isinstance(client, str):
        return client
    return message.user_id


def asked(message: Message) -> datetime | None:
    """Return the time at which a command was published, by the publisher's clock."""
    deadline = message.headers.get(HEADER_DEADLINE)
    seconds: float | None = message.timestamp
    if type(deadline) is int and message.expiration is not None:
        seconds = (deadline - message.expiration) / 1000
    return None if seconds is None or not 0 <= seconds <= MOST_S else at(seconds)


def at(seconds: float) -> datetime:
    """Return a time from seconds of the Unix epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """Return the current time."""
    return at(time.time())


def claimed_address(key: str) -> str:
    """Return the address in the routing key of a command, made safe: keys are untrusted input."""
    address = key.split(".", 2)[-1]
    return re.sub(r"[^A-Za-z0-9_.-]", "-", address)[:ADDRESS_LIMIT]


def message_of(outcome: Outcome, app_id: str, traceparent: Header | None = None) -> Message:
    """Return the message with an outcome.

    It has the attributes of CloudEvents 1.0, under the names of its AMQP binding. Two records of
    the same event have the same `id` and `source`.
    """
    is_final = outcome.result is not Result.STARTED
    moment = outcome.finished or outcome.started or now()
    headers: dict[str, Header] = {
        HEADER_CONTRACT: CONTRACT,
        HEADER_STREAM_FILTER: outcome.address,
        f"{CLOUD_EVENTS}specversion": "1.0",
        f"{CLOUD_EVENTS}id": outcome.id if is_final else f"{outcome.id}/{outcome.result}",
        f"{CLOUD_EVENTS}source": f"/machinist/{outcome.provider}",
        f"{CLOUD_EVENTS}type": f"machinist.command.{outcome.result}",
        f"{CLOUD_EVENTS}subject": outcome.address,
        f"{CLOUD_EVENTS}time": moment.isoformat(timespec="milliseconds"),
    }
    if isinstance(traceparent, str) and len(traceparent) <= SHORT_LIMIT:
        headers[HEADER_TRACEPARENT] = traceparent
    if is_final:
        headers |= at_a_glance(outcome)
    return Message(
        exchange=topology.OUTCOMES,
        key=f"{outcome.result}.{outcome.provider}.{outcome.address}",
        body=msgspec.json.encode(outcome),
        type=OUTCOME,
        message_id=uuid4().hex,
        correlation_id=short(outcome.id),
        timestamp=int(moment.timestamp()),
        app_id=app_id,
        persistent=True,
        headers=headers,
    )


def at_a_glance(outcome: Outcome) -> dict[str, Header]:
    """Return the headers for people: requester, command, state before and after, reason."""
    who = " via ".join(dict.fromkeys(filter(None, (outcome.requested_by, outcome.user))))
    status = "" if outcome.status is None else f" {outcome.status}"
    why = f"{outcome.fault.code}: {outcome.fault.message}" if outcome.fault else ""
    if outcome.superseded_by:
        why = f"superseded by {outcome.superseded_by}"
    if outcome.repeats:
        why = f"repeats {outcome.repeats}"
    texts = (
        who,
        f"{outcome.operation} {outcome.provider} {outcome.address}: {outcome.result}{status}",
        _json_text(outcome.before),
        _json_text(outcome.after),
        why,
    )
    named = zip(HEADERS_AT_A_GLANCE, texts, strict=True)
    return {name: text[:GLANCE_LIMIT] for name, text in named if text}


def _json_text(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def read(message: Message) -> Outcome:
    """Return the outcome in a message; raises msgspec.DecodeError."""
    return decode(message.body, RECORDS, type=Outcome)


def short(text: str) -> str:
    """Return a text cut to the 255 bytes of an AMQP short string.

    A received text may be longer: `contracts.broker.decoding` escapes bytes that are not UTF-8.
    """
    return text.encode("utf-8", "replace")[:SHORT_LIMIT].decode("utf-8", "ignore")
