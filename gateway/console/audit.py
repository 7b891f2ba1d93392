"""Replays the audit stream, from a moment on, to its end or for ever."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from contracts import topology
from contracts.broker.link import Connection
from contracts.wire import Message
from gateway.console.reading import reading

OFFSET = "x-stream-offset"
PREFETCH = 500
SILENCE_S = 1.0
CHUNK_S = 0.5
"""The last chunk, of at most some thousands, is read in this time."""

Offset = datetime | int | Literal["first", "last"]


class Replay:
    """Goes on after the last message that was shown, when it runs again over another connection."""

    def __init__(self, since: Offset, show: Callable[[Message], None], *, follow: bool) -> None:
        """A moment is that of the message's arrival at the broker, and some before it may come."""
        self._next = since
        self._show = show
        self._follow = follow

    async def run(self, connection: Connection) -> None:
        """Show every message up to the newest of now, or for ever if it follows."""
        newest = None if self._follow else await _newest(connection)
        within = None if self._follow else SILENCE_S
        async with reading(
            connection, topology.AUDIT, prefetch=PREFETCH, arguments={OFFSET: self._next}
        ) as stream:
            while delivery := await stream.next(within):
                offset = _offset(delivery.message)
                self._show(delivery.message)
                self._next = offset + 1
                await stream.ack(delivery)
                if newest is not None and offset >= newest:
                    return


async def _newest(connection: Connection) -> int | None:
    """The offset of the newest message; the broker's own count of a stream is seconds late."""
    newest = None
    until = time.monotonic() + CHUNK_S
    async with reading(
        connection, topology.AUDIT, prefetch=PREFETCH, arguments={OFFSET: "last"}
    ) as stream:
        while delivery := await stream.next(until - time.monotonic()):
            newest = _offset(delivery.message)
            await stream.ack(delivery)
    return newest


def _offset(message: Message) -> int:
    offset = message.headers[OFFSET]
    assert isinstance(offset, int)  # the broker writes it
    return offset
