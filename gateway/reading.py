"""Reads a queue one message after another."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from contracts.broker.channel import Channel, Delivery
from contracts.broker.errors import ConnectionLost
from contracts.broker.link import Connection
from contracts.topology import Argument

Arguments = Mapping[str, Argument | datetime]

TAG = "machinist reading"


class Reading:
    """A queue that is being consumed."""

    def __init__(self, channel: Channel, queue: str, arrived: asyncio.Queue[Delivery]) -> None:
        self._channel = channel
        self._queue = queue
        self._arrived = arrived
        self._lost = asyncio.ensure_future(channel.lost())
        self._lost.add_done_callback(_retrieve)

    async def next(self, within: float | None) -> Delivery | None:
        """The next message, None if none comes within so many seconds; raises ConnectionLost."""
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
        """What the broker had sent by now, but for what was read before."""
        await self._channel.consumers(self._queue)  # its answer comes after what was sent before
        if self._channel.is_cancelled:
            raise ConnectionLost(f"the broker no longer lets {self._queue} be read")
        return [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]

    async def ack(self, last: Delivery) -> None:
        """What came up to here is read: the broker may send more."""
        await self._channel.ack(last, and_before=True)

    def end(self) -> None:
        """Wait for nothing more."""
        self._lost.cancel()


def _retrieve(lost: asyncio.Future[None]) -> None:
    """The connection's loss is told by the link; asyncio would complain that nobody asked here."""
    if not lost.cancelled():
        lost.exception()


@asynccontextmanager
async def reading(
    connection: Connection, queue: str, *, prefetch: int, arguments: Arguments | None = None
) -> AsyncIterator[Reading]:
    """Consume a queue for a while; what was not acknowledged goes back to it at the end."""
    async with connection.passing_channel() as channel:
        arrived: asyncio.Queue[Delivery] = asyncio.Queue()
        await channel.consume(
            queue, arrived.put_nowait, prefetch=prefetch, tag=TAG, arguments=arguments
        )
        opened = Reading(channel, queue, arrived)
        try:
            yield opened
        finally:
            opened.end()
