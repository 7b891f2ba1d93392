"""A barrier: knows when the broker has handled what was settled on a channel."""

import asyncio
import logging

from contracts.broker.channel import Channel
from contracts.broker.errors import ConnectionLost

log = logging.getLogger(__name__)


class Barrier:
    """Asks the broker for all who wait at the same time, one question after another."""

    def __init__(self, channel: Channel, group: asyncio.TaskGroup) -> None:
        """`group` outlives the channel: a question that is cut short would close it."""
        self._channel = channel
        self._group = group
        self._next = asyncio.Event()
        self._is_wanted = False
        self._is_asking = False

    async def passed(self) -> None:
        """Wait until all that was settled before this call is handled; for ever on a lost channel.

        Whoever waits there is forgotten with the channel.
        """
        self._is_wanted = True
        answered = self._next
        if not self._is_asking:
            self._is_asking = True
            self._group.create_task(self._ask())
        await answered.wait()

    async def _ask(self) -> None:
        try:
            while self._is_wanted:
                answered, self._next, self._is_wanted = self._next, asyncio.Event(), False
                await self._channel.round_trip()
                answered.set()
        except ConnectionLost as error:
            log.debug("what was settled may come back: %s", error)
        finally:
            self._is_asking = False
