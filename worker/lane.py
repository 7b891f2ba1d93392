"""A lane: the commands of one address in a worker's hands, in publish order."""

import asyncio
from collections import deque

from contracts.broker.channel import Delivery
from worker.commands import Command


class Held:
    """A delivery in our hands, the command in it, and when it came."""

    def __init__(self, delivery: Delivery, command: Command) -> None:
        self.delivery = delivery
        self.command = command
        self.came_at = asyncio.get_running_loop().time()


class Lane:
    """The first runs or is about to; what waits behind it may be superseded by what comes later."""

    def __init__(self, first: Held) -> None:
        self._waiting = deque([first])
        self._superseding: set[asyncio.Task[None]] = set()

    @property
    def first(self) -> Held | None:
        """What is to be run now."""
        return self._waiting[0] if self._waiting else None

    def append(self, held: Held) -> Held | None:
        """Queue a delivery; returns the one before it where that need not be run any more.

        Superseded as they come, a flood of events for a thing that is slow never fills the
        partition's prefetch, and its neighbours are not held up.
        """
        older = self._waiting[-1]
        if older is self._waiting[0] or not held.command.supersedes(older.command):
            self._waiting.append(held)
            return None
        self._waiting[-1] = held
        return older

    def settle_before_next(self, superseding: asyncio.Task[None]) -> None:
        """Run what comes next only when this is done."""
        self._superseding.add(superseding)
        superseding.add_done_callback(self._superseding.discard)

    async def settled(self) -> None:
        """Wait until what the next one superseded is settled.

        Else a crash behind the newest could bring back an older one alone.
        """
        if self._superseding:
            await asyncio.wait(set(self._superseding))

    def leave(self) -> None:
        """The first is settled."""
        self._waiting.popleft()
