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

FEW = 8
FEW_FOR_S = 60.0
"""The prefetch while there is no room for more bodies, and its shortest duration."""

LOOKS = 6
LOOK_PAUSE_S = 0.2

ANSWERS = 5
"""The most round trips before the next partition begins to consume."""


class Intake:
    """Consumes a queue over one channel after another."""

    def __init__(self, queue: str, tag: str, capacity: Capacity, bodies: Bodies) -> None:
        self._queue = queue
        self._tag = tag
        self._capacity = capacity
        self._bodies = bodies
        self._received = 0
        self.takes_few = False

    async def attach(
        self, channel: Channel, receive: Callable[[Delivery], None], leave: Callable[[], None]
    ) -> None:
        """Consume; `leave` is called when there is room for a larger prefetch again.

        The partitions of a process begin one after another: the next one when the broker has
        answered without further deliveries before its response. Responses wait behind deliveries,
        and the fence must not close behind the deliveries of eight partitions.
        """
        prefetch = FEW if self.takes_few else topology.PREFETCH
        async with self._capacity.turn():
            await channel.consume(
                self._queue, self._counted(receive), prefetch=prefetch, tag=self._tag
            )
            for _ in range(ANSWERS):
                received = self._received
                await channel.round_trip()
                if received == self._received:
                    break
        if self.takes_few:
            self._later(channel, leave)

    async def has_queue(self, connection: Connection) -> bool:
        """Tell whether the queue exists after its consumer was cancelled.

        RabbitMQ 4.0 cancels the consumers of a queue shortly before the deleted queue is gone.
        """
        for _ in range(LOOKS):
            async with connection.passing_channel() as channel:
                try:
                    await channel.consumers(self._queue)
                except NotDeclared:
                    return False
            await asyncio.sleep(LOOK_PAUSE_S)
        return True

    def take_few(self, reason: Exception) -> None:
        """Use a small prefetch from the next channel on; other commands stay in the queue."""
        log.warning("%s: no room for the bodies of more commands: %s", self._queue, reason)
        self.takes_few = True

    def _counted(self, receive: Callable[[Delivery], None]) -> Callable[[Delivery], None]:
        def counted(delivery: Delivery) -> None:
            self._received += 1
            receive(delivery)

        return counted

    def _later(self, channel: Channel, leave: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(FEW_FOR_S, self._take_all, channel, leave)

    def _take_all(self, channel: Channel, leave: Callable[[], None]) -> None:
        if channel.is_closed:
            return
        if self._bodies.has_room:
            self.takes_few = False
            leave()
        else:
            self._later(channel, leave)
