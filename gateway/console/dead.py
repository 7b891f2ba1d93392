"""Looks at the dead messages and leaves them where they are."""

from collections.abc import Callable

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.queue_reader import read_queue
from contracts.wire import Message

SILENCE_S = 5.0


async def look(connection: Connection, show: Callable[[Message], None], most: int) -> int:
    """Show the oldest dead messages, at most so many; how many there are.

    They go back when the channel closes, and count as delivered once more.
    """
    async with connection.passing_channel() as channel:
        there = await channel.messages(topology.DEAD)
    shown = min(there, most)
    if shown:
        async with read_queue(connection, topology.DEAD, prefetch=shown) as queue:
            for _ in range(shown):
                delivery = await queue.next(SILENCE_S)
                if delivery is None:
                    break  # somebody else holds the rest just now
                show(delivery.message)
    return there
