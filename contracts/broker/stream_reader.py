"""A reader of the audit stream, which starts at a position and detects the end of the stream.

RabbitMQ's message count of a stream is seconds late. But when the broker handles an acknowledgement
it sends all existing messages, up to the prefetch, before it answers the next request on the
channel: a batch smaller than the prefetch reaches the end of the stream.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.queue_reader import QueueReader, read_queue
from contracts.wire import Message

OFFSET = "x-stream-offset"
FILTER = "x-stream-filter"
UNFILTERED = "x-stream-match-unfiltered"
SILENCE_S = 2.0
"""The wait for the first message of a stream, which the broker sends alone."""

CHUNK = 50
"""The prefetch for the newest chunk, which usually has a few messages."""

Position = datetime | int | Literal["first", "last"]


class StreamReader:
    """The audit stream, read in batches."""

    def __init__(self, reader: QueueReader, most: int) -> None:
        self._reader = reader
        self._most = most
        self._awaited: list[Delivery] = []
        self._last: Delivery | None = None
        self._is_new = True

    async def read(self) -> tuple[list[Message], bool]:
        """Return the next messages, and whether they reach the end of the stream.

        Raises ConnectionLost.
        """
        if self._is_new:
            await self.wait(SILENCE_S)
        elif self._last is not None:
            await self._reader.ack(self._last)
        batch = self._awaited + await self._reader.arrived()
        self._awaited, self._is_new = [], False
        self._last = batch[-1] if batch else None
        return [delivery.message for delivery in batch], len(batch) < self._most

    async def wait(self, within: float | None = None) -> None:
        """Wait for the next message, at most this many seconds; raises ConnectionLost."""
        first = await self._reader.next(within)
        if first is not None:
            self._awaited.append(first)


@asynccontextmanager
async def read_stream(
    connection: Connection, position: Position, most: int, addresses: Sequence[str] = ()
) -> AsyncIterator[StreamReader]:
    """Read the audit from an offset, or from the time at which messages arrived at the broker.

    With a time, some earlier messages may come first. `most` limits a batch, and with it the
    messages in memory. With `addresses`, RabbitMQ 3.13 and later leaves out chunks without a record
    of one of them; records of other addresses may still come. Raises NotDeclared and Refused.
    """
    arguments: dict[str, Any] = {OFFSET: position}
    if addresses:
        arguments |= {FILTER: list(addresses), UNFILTERED: True}
    async with read_queue(connection, topology.AUDIT, prefetch=most, arguments=arguments) as reader:
        yield StreamReader(reader, most)


def offset(message: Message) -> int:
    """Return the position of a message in the stream."""
    at = message.headers[OFFSET]
    assert isinstance(at, int)  # written by the broker
    return at


async def newest_message(connection: Connection) -> Message | None:
    """Return the newest message of the audit, None if there is none; raises as `read_stream`."""
    newest: Message | None = None
    async with read_stream(connection, "last", CHUNK) as audit:
        is_end = False
        while not is_end:
            messages, is_end = await audit.read()
            newest = messages[-1] if messages else newest
    return newest
