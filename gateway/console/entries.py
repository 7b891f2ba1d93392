"""What the audit and the dead messages hold, read from messages; knows no broker."""

from datetime import datetime
from typing import Any

import msgspec

from contracts import dead_letters, outcomes
from contracts.json_limits import MESSAGES, decode
from contracts.outcomes import Outcome
from contracts.wire import JSON, Message


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


def record(message: Message) -> Outcome | None:
    """The outcome in a message of the audit, None for one that nobody can read."""
    try:
        return outcomes.read(message)
    except msgspec.DecodeError:
        return None


def dead(message: Message) -> Dead:
    """What an operator has to know of a dead message."""
    told = message.headers
    return Dead(
        id=outcomes.identity(message),
        operation=message.type,
        key=message.key,
        reason=str(told.get(dead_letters.HEADER_REASON, "none was told")),
        queue=_text(told.get(dead_letters.HEADER_QUEUE)),
        user=_text(told.get(dead_letters.HEADER_USER)),
        asked=outcomes.asked(message),
        body=_body(message),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _body(message: Message) -> Any:
    """The JSON in a body that is open; strangers write it, so that it may be anything."""
    if message.content_type not in {JSON, ""}:
        return None
    try:
        return decode(message.body, MESSAGES)
    except msgspec.DecodeError:
        return None
