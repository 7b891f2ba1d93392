"""Dead letters for operators, read without removing them from their queue."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from contracts import dead_letters, outcomes, topology
from contracts.broker.connection import Connection
from contracts.broker.queue_reader import read_queue
from contracts.json_limits import MESSAGES, decode
from contracts.wire import JSON, Message

SILENCE_S = 5.0


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


async def show_dead(connection: Connection, show: Callable[[Message], None], limit: int) -> int:
    """Show at most `limit` of the oldest dead letters; return the total number.

    The messages are requeued when the channel closes, which increments their delivery count.
    """
    async with connection.passing_channel() as channel:
        total = await channel.messages(topology.DEAD)
    shown = min(total, limit)
    if shown:
        async with read_queue(connection, topology.DEAD, prefetch=shown) as queue:
            for _ in range(shown):
                delivery = await queue.next(SILENCE_S)
                if delivery is None:
                    break  # another consumer holds the rest
                show(delivery.message)
    return total


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
