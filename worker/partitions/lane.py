"""A lane: the commands of one address that a worker holds, in publish order."""

import asyncio
from collections import deque

import msgspec

from contracts.broker.channel import Delivery
from contracts.wire import Message
from worker.partitions.bodies import Bodies
from worker.partitions.command import Command


class Held:
    """An unsettled delivery with its command and the time of its arrival.

    The message of a waiting command may be without its body, which is then in the spool.
    """

    __slots__ = ("_bodies", "_body", "arrived_at", "command", "delivery")

    def __init__(
        self, delivery: Delivery, command: Command, bodies: Bodies, *, in_memory: bool = False
    ) -> None:
        """Raises SpoolError if there is no room for the body, unless `in_memory` is set."""
        self._bodies = bodies
        self._body = bodies.keep(command.message.body, in_memory=in_memory)
        if self._body.content is None:
            command.message = msgspec.structs.replace(command.message, body=b"")
        if delivery.message is not command.message:
            delivery = msgspec.structs.replace(delivery, message=command.message)
        self.delivery = delivery
        self.command = command
        self.arrived_at = asyncio.get_running_loop().time()

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
        """Tell whether the older command need not run; false if a body is not in memory."""
        is_in_memory = self._body.content is not None and older._body.content is not None
        return is_in_memory and self.command.supersedes(older.command)

    def drop(self) -> None:
        """Free the memory or disk space of the body."""
        self._bodies.drop(self._body)


class Lane:
    """A queue: the first command runs; an appended one may supersede the last waiting one."""

    def __init__(self, first: Held) -> None:
        self._waiting = deque([first])
        self._superseding = 0
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def first(self) -> Held | None:
        """The command to run now."""
        return self._waiting[0] if self._waiting else None

    def append(self, held: Held) -> Held | None:
        """Append a delivery; return the previous one if the new one supersedes it.

        Because events are superseded on arrival, a flood of them for a slow target never fills the
        partition's prefetch and does not delay other addresses.
        """
        older = self._waiting[-1]
        if older is self._waiting[0] or not held.supersedes(older):
            self._waiting.append(held)
            return None
        self._waiting[-1] = held
        return older

    def superseded(self) -> None:
        """Count a superseded command that is not settled yet."""
        self._superseding += 1
        self._settled.clear()

    def superseded_settled(self) -> None:
        """Count a superseded command as settled."""
        self._superseding -= 1
        if not self._superseding:
            self._settled.set()

    async def settled(self) -> None:
        """Wait until all superseded commands are settled.

        Otherwise a crash after the newest command could redeliver only an older one.
        """
        await self._settled.wait()

    def remove_first(self) -> None:
        """Remove the first command after it was settled."""
        self._waiting.popleft()
