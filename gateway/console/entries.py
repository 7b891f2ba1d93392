"""What the audit and the dead messages hold, read from messages; knows no broker."""

from datetime import datetime
from typing import Any

import msgspec

from contracts import outcomes, topology
from contracts.outcomes import Outcome
from contracts.wire import HEADER_DEADLINE, HEADER_IDEMPOTENCY_KEY, JSON, Message


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A command as somebody asked for it; `exchange` is where it was published.

    `body` is the operation, None where it is sealed or no JSON.
    """

    id: str
    operation: str
    provider: str
    address: str
    exchange: str
    requested_by: str | None = None
    user: str | None = None
    asked: datetime | None = None
    deadline: datetime | None = None
    idempotency_key: str | None = None
    body: Any = None


class Dead(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A message that can never be run: who published it under which key, and why it is dead."""

    id: str
    operation: str
    key: str
    reason: str
    queue: str | None = None
    user: str | None = None
    asked: datetime | None = None
    body: Any = None


Entry = Request | Outcome

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def entry(message: Message) -> Entry | None:
    """The request or outcome in a message of the audit, None for an outcome nobody can read."""
    if message.exchange != topology.OUTCOMES:
        return request(message)
    try:
        return outcomes.read(message)
    except UNREADABLE:
        return None


def request(message: Message) -> Request:
    """The request in a message, as far as the message tells."""
    key = message.headers.get(HEADER_IDEMPOTENCY_KEY)
    return Request(
        id=outcomes.identity(message),
        operation=message.type,
        provider=message.key.partition(".")[0],
        address=outcomes.claimed_address(message.key),
        exchange=message.exchange,
        requested_by=outcomes.requested_by(message),
        user=message.user_id,
        asked=outcomes.asked(message),
        deadline=_deadline(message),
        idempotency_key=key if isinstance(key, str) else None,
        body=_body(message),
    )


def dead(message: Message) -> Dead:
    """What an operator has to know of a dead message."""
    told = message.headers
    return Dead(
        id=outcomes.identity(message),
        operation=message.type,
        key=message.key,
        reason=str(told.get(outcomes.HEADER_REASON, "none was told")),
        queue=_text(told.get(outcomes.HEADER_QUEUE)),
        user=_text(told.get(outcomes.HEADER_USER)),
        asked=outcomes.asked(message),
        body=_body(message),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _deadline(message: Message) -> datetime | None:
    told = message.headers.get(HEADER_DEADLINE)
    if type(told) is not int or not 0 <= told / 1000 <= outcomes.MOST_S:
        return None
    return outcomes.at(told / 1000)


def _body(message: Message) -> Any:
    """The JSON in a body that is open; strangers write it, so that it may be anything."""
    if message.content_type not in {JSON, ""}:
        return None
    try:
        return msgspec.json.decode(message.body)
    except UNREADABLE:
        return None
