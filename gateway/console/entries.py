"""Entries of the audit and dead letters, decoded from messages; no I/O."""

from datetime import datetime
from typing import Any

import msgspec

from contracts import dead_letters, outcomes
from contracts.json_limits import MESSAGES, decode
from contracts.outcomes import Outcome
from contracts.wire import JSON, Message


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A dead letter: its publisher, its key, and the reason."""

    id: str
    operation: str
    key: str
    reason: str
    queue: str | None = None
    user: str | None = None
    asked: datetime | None = None
    body: Any = None


def record(message: Message) -> Outcome | None:
    """Return the outcome in an audit message, None if it cannot be decoded."""
    try:
        return outcomes.read(message)
    except msgspec.DecodeError:
        return None


def dead(message: Message) -> DeadLetter:
    """Return a dead letter for an operator."""
    headers = message.headers
    return DeadLetter(
        id=outcomes.identity(message),
        operation=message.type,
        key=message.key,
        reason=str(headers.get(dead_letters.HEADER_REASON, "no reason given")),
        queue=_text(headers.get(dead_letters.HEADER_QUEUE)),
        user=_text(headers.get(dead_letters.HEADER_USER)),
        asked=outcomes.asked(message),
        body=_body(message),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _body(message: Message) -> Any:
    """Return an unsealed body if it is valid JSON, else None: any publisher may have written it."""
    if message.content_type not in {JSON, ""}:
        return None
    try:
        return decode(message.body, MESSAGES)
    except msgspec.DecodeError:
        return None
