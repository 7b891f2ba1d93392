"""Shows the dead letters without removing them from their queue."""

from collections.abc import Callable

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.queue_reader import read_queue
from contracts.wire import Message

SILENCE_S = 5.0


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
