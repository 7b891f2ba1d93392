"""The intake of a partition: consumes its queue, with a prefetch that fits the free memory."""

import asyncio
import logging
from collections.abc import Callable

from contracts import topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared
from worker.partitions.bodies import Bodies
from worker.partitions.capacity import Capacity

log = logging.getLogger(__name__)

REDUCED_PREFETCH = 8
REDUCED_FOR_S = 60.0
"""The prefetch while there is no room for more bodies, and its shortest duration."""

QUEUE_CHECKS = 6
CHECK_PAUSE_S = 0.2

MAX_ROUND_TRIPS = 5
"""The round trips after which the next partition begins to consume in any case."""


class Intake:
    """Consumes a queue over one channel after another."""

    def __init__(self, queue: str, tag: str, capacity: Capacity, bodies: Bodies) -> None:
        self._queue = queue
        self._tag = tag
        self._capacity = capacity
        self._bodies = bodies
        self._received = 0
        self.is_reduced = False

    async def attach(
        self, channel: Channel, receive: Callable[[Delivery], None], leave: Callable[[], None]
    ) -> None:
        """Consume; `leave` is called when there is room for a larger prefetch again.

        The partitions of a process begin to consume one after another: the next one when a round
        trip brought no further deliveries. Responses wait behind deliveries, and the deliveries of
        eight partitions together would delay them until the fence closes.
        """
        prefetch = REDUCED_PREFETCH if self.is_reduced else topology.PREFETCH
        async with self._capacity.turn():
            await channel.consume(
                self._queue, self._counted(receive), prefetch=prefetch, tag=self._tag
            )
            for _ in range(MAX_ROUND_TRIPS):
                received = self._received
                await channel.round_trip()
                if received == self._received:
                    break
        if self.is_reduced:
            self._restore_later(channel, leave)

    async def has_queue(self, connection: Connection) -> bool:
        """Tell whether the queue exists after its consumer was cancelled.

        RabbitMQ 4.0 cancels the consumers of a deleted queue shortly before it removes the queue.
        """
        for _ in range(QUEUE_CHECKS):
            async with connection.passing_channel() as channel:
                try:
                    await channel.consumers(self._queue)
                except NotDeclared:
                    return False
            await asyncio.sleep(CHECK_PAUSE_S)
        return True

    def reduce_prefetch(self, reason: Exception) -> None:
        """Use a small prefetch from the next channel on; further commands stay in the queue."""
        log.warning("%s: no room for the bodies of more commands: %s", self._queue, reason)
        self.is_reduced = True

    def _counted(self, receive: Callable[[Delivery], None]) -> Callable[[Delivery], None]:
        def counted(delivery: Delivery) -> None:
            self._received += 1
            receive(delivery)

        return counted

    def _restore_later(self, channel: Channel, leave: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(REDUCED_FOR_S, self._restore_prefetch, channel, leave)

    def _restore_prefetch(self, channel: Channel, leave: Callable[[], None]) -> None:
        if channel.is_closed:
            return
        if self._bodies.has_room:
            self.is_reduced = False
            leave()
        else:
            self._restore_later(channel, leave)
