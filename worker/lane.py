"""A lane: the commands of one address that a worker holds, in publish order."""

import asyncio
from collections import deque

import msgspec

from contracts.broker.channel import Delivery
from contracts.wire import Message
from worker.bodies import Bodies
from worker.command import Command


class Held:
    """A delivery that is not settled, the command in it, and when it came.

    The message of a command that waits may be without its body, which is in the spool then.
    """

    __slots__ = ("_bodies", "_body", "came_at", "command", "delivery")

    def __init__(
        self, delivery: Delivery, command: Command, bodies: Bodies, *, in_memory: bool = False
    ) -> None:
        """Raises SpoolError where there is no room for the body, unless it has to be in memory."""
        self._bodies = bodies
        self._body = bodies.keep(command.message.body, in_memory=in_memory)
        if self._body.content is None:
            command.message = msgspec.structs.replace(command.message, body=b"")
        if delivery.message is not command.message:
            delivery = msgspec.structs.replace(delivery, message=command.message)
        self.delivery = delivery
        self.command = command
        self.came_at = asyncio.get_running_loop().time()

    def message(self) -> Message:
        """Return the message with its body; raises SpoolError."""
        message = self.command.message
        if self._body.content is not None:
            return message
        return msgspec.structs.replace(message, body=self._bodies.read(self._body))

    def loaded(self) -> Command:
        """Return the command to run, its body in memory; raises SpoolError."""
        if self._body.content is None:
            body = self._bodies.load(self._body)
            self.command.message = msgspec.structs.replace(self.command.message, body=body)
        return self.command

    def supersedes(self, older: "Held") -> bool:
        """Whether the older command need not run; only commands in memory supersede each other."""
        is_in_memory = self._body.content is not None and older._body.content is not None
        return is_in_memory and self.command.supersedes(older.command)

    def drop(self) -> None:
        """Give the room of the body back."""
        self._bodies.drop(self._body)


class Lane:
    """The first runs or is about to; a later command may supersede one that waits behind it."""

    def __init__(self, first: Held) -> None:
        self._waiting = deque([first])
        self._superseding = 0
        self._settled = asyncio.Event()
        self._settled.set()

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
        if older is self._waiting[0] or not held.supersedes(older):
            self._waiting.append(held)
            return None
        self._waiting[-1] = held
        return older

    def superseded(self) -> None:
        """One more command was superseded and is not settled yet."""
        self._superseding += 1
        self._settled.clear()

    def superseded_settled(self) -> None:
        """One of the superseded commands is settled."""
        self._superseding -= 1
        if not self._superseding:
            self._settled.set()

    async def settled(self) -> None:
        """Wait until what the next one superseded is settled.

        Else a crash behind the newest could bring back an older one alone.
        """
        await self._settled.wait()

    def leave(self) -> None:
        """The first is settled."""
        self._waiting.popleft()
