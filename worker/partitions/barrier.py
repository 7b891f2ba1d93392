"""A barrier: waits until the broker has handled all acknowledgements on a channel."""

import asyncio
import logging

from contracts.broker.channel import Channel
from contracts.broker.errors import ConnectionLost

log = logging.getLogger(__name__)


class Barrier:
    """One round trip at a time, shared by all waiting tasks."""

    def __init__(self, channel: Channel, group: asyncio.TaskGroup) -> None:
        """`group` outlives the channel, since cancelling a round trip would close the channel."""
        self._channel = channel
        self._group = group
        self._next = asyncio.Event()
        self._is_wanted = False
        self._is_running = False

    async def passed(self) -> None:
        """Wait until the broker has handled all earlier acknowledgements.

        On a lost channel this never returns: the waiting task is cancelled with its channel.
        """
        self._is_wanted = True
        answered = self._next
        if not self._is_running:
            self._is_running = True
            self._group.create_task(self._round_trips())
        await answered.wait()

    async def _round_trips(self) -> None:
        try:
            while self._is_wanted:
                answered, self._next, self._is_wanted = self._next, asyncio.Event(), False
                await self._channel.round_trip()
                answered.set()
        except ConnectionLost as error:
            log.debug("acknowledged messages may be redelivered: %s", error)
        finally:
            self._is_running = False
