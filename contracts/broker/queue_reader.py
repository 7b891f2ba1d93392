"""A reader of a queue: returns the next message, or all messages that have arrived."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost
from contracts.topology import Argument

Arguments = Mapping[str, Argument | datetime | list[str]]

TAG = "machinist reading"


class QueueReader:
    """A consumer that buffers deliveries until they are read."""

    def __init__(self, channel: Channel, queue: str, arrived: asyncio.Queue[Delivery]) -> None:
        self._channel = channel
        self._queue = queue
        self._arrived = arrived
        self._lost = asyncio.ensure_future(channel.lost())
        self._lost.add_done_callback(_retrieve)

    async def next(self, within: float | None) -> Delivery | None:
        """Return the next message, None if no message arrives within this many seconds.

        Raises ConnectionLost.
        """
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        arrival = asyncio.ensure_future(self._arrived.get())
        try:
            await asyncio.wait(
                {arrival, self._lost}, timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
            if arrival.done():
                return arrival.result()
            if self._lost.done():
                self._lost.result()
        finally:
            arrival.cancel()
        return None

    async def arrived(self) -> list[Delivery]:
        """Return all unread messages that the broker sent before this call."""
        await self._channel.consumers(self._queue)  # the answer comes after earlier deliveries
        if self._channel.is_cancelled:
            raise ConnectionLost(f"the broker cancelled the consumer of {self._queue}")
        return [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]

    async def ack(self, last: Delivery) -> None:
        """Acknowledge all messages up to this one, so that the broker sends more."""
        await self._channel.ack(last, and_before=True)

    async def ack_one(self, delivery: Delivery) -> None:
        """Acknowledge this message only, and wait until the broker has removed it."""
        await self._channel.ack(delivery)
        await self._channel.round_trip()

    def end(self) -> None:
        """Stop watching the channel."""
        self._lost.cancel()


def _retrieve(lost: asyncio.Future[None]) -> None:
    """Read the exception: asyncio warns of unread ones, and the owner of the channel reports it."""
    if not lost.cancelled():
        lost.exception()


@asynccontextmanager
async def read_queue(
    connection: Connection, queue: str, *, prefetch: int, arguments: Arguments | None = None
) -> AsyncIterator[QueueReader]:
    """Consume a queue until the context ends; unacknowledged messages go back to the queue."""
    async with connection.passing_channel() as channel:
        arrived: asyncio.Queue[Delivery] = asyncio.Queue()
        await channel.consume(
            queue, arrived.put_nowait, prefetch=prefetch, tag=TAG, arguments=arguments
        )
        reader = QueueReader(channel, queue, arrived)
        try:
            yield reader
        finally:
            reader.end()
