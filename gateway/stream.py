"""Reads the audit stream from some position on, and knows when it has come to the end.

RabbitMQ's count of a stream is seconds late. But in the step in which it takes an acknowledgement
it sends all that there is by then, as far as the prefetch goes, and only then answers what it is
asked next on the channel: whoever got less than the prefetch has read to the end.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.link import Connection
from contracts.wire import Message
from gateway.reading import Reading, reading

OFFSET = "x-stream-offset"
SILENCE_S = 2.0
"""The first message is sent by itself, and within this time if there is any."""

Position = datetime | int | Literal["first", "last"]


class Stream:
    """The audit, read in batches."""

    def __init__(self, reading: Reading, most: int) -> None:
        self._reading = reading
        self._most = most
        self._awaited: list[Delivery] = []
        self._last: Delivery | None = None
        self._is_new = True

    async def read(self) -> tuple[list[Message], bool]:
        """The next messages, and whether they reach the end of now; raises ConnectionLost."""
        if self._is_new:
            await self.wait(SILENCE_S)
        elif self._last is not None:
            await self._reading.ack(self._last)
        batch = self._awaited + await self._reading.arrived()
        self._awaited, self._is_new = [], False
        self._last = batch[-1] if batch else None
        return [delivery.message for delivery in batch], len(batch) < self._most

    async def wait(self, within: float | None = None) -> None:
        """Wait until there is more, or so many seconds; raises ConnectionLost."""
        first = await self._reading.next(within)
        if first is not None:
            self._awaited.append(first)


@asynccontextmanager
async def stream(connection: Connection, position: Position, most: int) -> AsyncIterator[Stream]:
    """Read on from an offset, or from the arrival of messages at a moment: some before may come.

    A batch has at most so many messages, and so many are in memory. Raises NotDeclared and Refused.
    """
    arguments = {OFFSET: position}
    async with reading(connection, topology.AUDIT, prefetch=most, arguments=arguments) as opened:
        yield Stream(opened, most)


def offset(message: Message) -> int:
    """Where in the stream a message is."""
    at = message.headers[OFFSET]
    assert isinstance(at, int)  # the broker writes it
    return at
