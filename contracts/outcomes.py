"""Outcomes: the record of what became of a command, as structs and messages; knows no broker.

A worker records `started` before the first platform call and one final result; for a command that
the broker ended a gateway's recorder does. All records of one command have its `message_id` as id.
After a crash the same id may come twice with a final result: the first counts.
"""

import re
import time
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec

from contracts import CONTRACT, topology
from contracts.faults import Code, Fault
from contracts.secrecy import may_hold_secrets
from contracts.wire import (
    HEADER_CONTRACT,
    HEADER_DEADLINE,
    HEADER_REQUESTED_BY,
    HEADER_TRACEPARENT,
    Header,
    Message,
)

OUTCOME = "outcome"
"""The property `type` of an outcome's message."""

HEADER_REASON = "reason"
HEADER_USER = "user"
HEADER_QUEUE = "queue"

CLOUD_EVENTS = "cloudEvents_"
"""Before the names of CloudEvents 1.0's attributes, as its AMQP binding has it."""

COPIES = ("CC", "BCC")
"""Headers by which RabbitMQ routes copies of a message under further keys."""

NOT_KEPT = b"not kept: it may hold secrets and was not sealed"
"""In place of a dead letter's body."""

REFUSED_AGAIN_S = (0.5,)
"""After so many seconds an outcome that a queue refused is published again: queues refuse as well
while their broker goes down, and then it may be the audit itself.
"""

SHORT_LIMIT = 255
ADDRESS_LIMIT = 200
"""Bytes of an address that a message claims; a key of AMQP has at most 255."""

REASON_LIMIT = 1000
HEADERS_LIMIT = 16_384
"""Bytes of a dead letter's headers: a frame has room for so many, and not for a stranger's."""

MOST_S = 253_402_300_799
"""The last second that a calendar of four digits has."""


class Result(StrEnum):
    """What became of a command; every one but `started` is final."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    DEAD = "dead"


class Cause(msgspec.Struct, frozen=True):
    """Why a command did not succeed, in the words that its caller got."""

    code: Code
    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One record.

    `requested_by` is whom the gateway asked for, or the producer of an event; `user` is the broker
    user that published the command, which the broker has checked. `before` and `after` are what
    the command found and left. `superseded_by` and `repeats` are ids of other commands.
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
    before: Any = None
    after: Any = None
    superseded_by: str | None = None
    repeats: str | None = None


def outcome_of(message: Message, provider: str, result: Result, **what: Any) -> Outcome:
    """The outcome of the command in a message, as far as the message tells; `what` adds to it."""
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
    """What a fault adds to an outcome."""
    return {"status": fault.status, "fault": Cause(fault.code, fault.message)}


def identity(message: Message) -> str:
    """The id of a command: its `message_id`, or else a digest that a redelivery has as well."""
    digest = sha256(message.key.encode() + b"\0" + message.body).hexdigest()
    return message.message_id or f"unnamed-{digest[:24]}"


def requested_by(message: Message) -> str | None:
    """Whom a command is for: told by gateways alone, who alone may publish where they do."""
    told = message.headers.get(HEADER_REQUESTED_BY)
    if message.exchange == topology.COMMANDS and isinstance(told, str):
        return told
    return message.user_id


def asked(message: Message) -> datetime | None:
    """When a command was published, by its publisher's clock."""
    deadline = message.headers.get(HEADER_DEADLINE)
    seconds: float | None = message.timestamp
    if type(deadline) is int and message.expiration is not None:
        seconds = (deadline - message.expiration) / 1000
    return None if seconds is None or not 0 <= seconds <= MOST_S else at(seconds)


def at(seconds: float) -> datetime:
    """A moment of the Unix epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """This moment."""
    return at(time.time())


def claimed_address(key: str) -> str:
    """The address in a command's routing key, which a stranger may have written."""
    address = key.split(".", 2)[-1]
    return re.sub(r"[^A-Za-z0-9_.-]", "-", address)[:ADDRESS_LIMIT]


def message_of(outcome: Outcome, app_id: str, traceparent: Header | None = None) -> Message:
    """The outcome as a message.

    Attributes are those of CloudEvents 1.0, under the names of its AMQP binding. Two records of the
    same event have the same `id` and `source`.
    """
    is_final = outcome.result is not Result.STARTED
    moment = outcome.finished or outcome.started or now()
    headers: dict[str, Header] = {
        HEADER_CONTRACT: CONTRACT,
        f"{CLOUD_EVENTS}specversion": "1.0",
        f"{CLOUD_EVENTS}id": outcome.id if is_final else f"{outcome.id}/{outcome.result}",
        f"{CLOUD_EVENTS}source": f"/machinist/{outcome.provider}",
        f"{CLOUD_EVENTS}type": f"machinist.command.{outcome.result}",
        f"{CLOUD_EVENTS}subject": outcome.address,
        f"{CLOUD_EVENTS}time": moment.isoformat(timespec="milliseconds"),
    }
    if isinstance(traceparent, str) and len(traceparent) <= SHORT_LIMIT:
        headers[HEADER_TRACEPARENT] = traceparent
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


def read(message: Message) -> Outcome:
    """The outcome in a message; raises msgspec.DecodeError."""
    return msgspec.json.decode(message.body, type=Outcome)


def dead_letter(message: Message, reason: str, queue: str, app_id: str) -> Message:
    """The message as operators find it in `machinist.dead`, with the reason and who sent it.

    What the broker would act on when it is published again is left out: the user, whom it would
    compare, the time to live, and copies to other keys. So is what cannot be published again.
    A body that may hold secrets and came open is not spread any further.
    """
    headers = _plain(message.headers)
    headers |= {HEADER_REASON: reason[:REASON_LIMIT], HEADER_QUEUE: queue}
    if message.user_id:
        headers[HEADER_USER] = message.user_id
    is_kept = not may_hold_secrets(message.type, message.body)
    return Message(
        exchange=topology.DEAD,
        key=short(message.key),
        body=message.body if is_kept else NOT_KEPT,
        type=short(message.type),
        message_id=short(identity(message)),
        content_type=short(message.content_type) if is_kept else "text/plain",
        correlation_id=short(message.correlation_id or "") or None,
        reply_to=short(message.reply_to or "") or None,
        timestamp=message.timestamp,
        app_id=app_id,
        persistent=True,
        headers=headers,
    )


def _plain(headers: dict[str, Header]) -> dict[str, Header]:
    """The headers that are flat and a stranger's own, as many as there is room for."""
    plain: dict[str, Header] = {}
    left = HEADERS_LIMIT
    for name, value in headers.items():
        if not _is_flat(value) or name.startswith("x-") or name in {*COPIES, HEADER_USER}:
            continue
        left -= len(f"{short(name)}{value}".encode()) + 10  # of AMQP's own
        if left < 0:
            break
        plain[short(name)] = value
    return plain


def _is_flat(value: object) -> bool:
    return type(value) is str or (type(value) is int and -(2**63) <= value < 2**63)


def short(text: str) -> str:
    """At most 255 bytes, as AMQP's short strings have; a text that cannot be read grew longer."""
    return text.encode("utf-8", "replace")[:SHORT_LIMIT].decode("utf-8", "ignore")
