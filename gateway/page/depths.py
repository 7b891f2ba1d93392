"""The number of ready messages in queues, from passive declarations shared by all viewers."""

import asyncio
import time
from collections.abc import Callable, Iterable

from contracts import topology
from contracts.address import SLOTS
from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared

EVERY_S = 2.0
SHARE = 20
"""The declarations take at most this part of the time: with many providers they become rarer."""

ABSENT_S = 30.0
"""The time until an absent queue is asked for again: the broker closes the channel for it."""


class Depths:
    """The depths of the providers' queues and of the dead letters; absent queues have none.

    Only messages that were not delivered yet count; workers take commands some thousands ahead.
    """

    def __init__(self, providers: Callable[[], Iterable[str]]) -> None:
        self._providers = providers
        self._ready: dict[str, int] = {}
        self._absent: dict[str, float] = {}

    def __getitem__(self, queue: str) -> int | None:
        return self._ready.get(queue)

    def set(self, ready: dict[str, int]) -> None:
        """Replace the depths of all queues."""
        self._ready = ready

    async def run(self, connection: Connection) -> None:
        """Measure at intervals until cancelled; raises ConnectionLost."""
        while True:
            began = time.monotonic()
            await self._measure(connection)
            took = time.monotonic() - began
            await asyncio.sleep(max(EVERY_S - took, SHARE * took))

    async def _measure(self, connection: Connection) -> None:
        ready: dict[str, int] = {}
        channel: Channel | None = None
        try:
            for queue in self._queues():
                if self._absent.get(queue, 0.0) > time.monotonic():
                    continue
                channel = channel or await connection.channel()
                try:
                    ready[queue] = await channel.messages(queue)
                except NotDeclared:
                    self._absent[queue] = time.monotonic() + ABSENT_S
                    channel = None
        finally:
            if channel is not None and not channel.is_closed:
                await channel.close()
        self.set(ready)

    def _queues(self) -> Iterable[str]:
        yield from (topology.ENDED, topology.DEAD)
        for provider in self._providers():
            yield topology.queries_queue(provider)
            yield from (topology.partition_queue(provider, slot) for slot in range(SLOTS))
