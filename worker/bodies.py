"""The bodies of commands that a worker holds: in memory up to a limit, beyond that in a spool.

A command that waits behind an unresponsive target has to be held, so that its neighbours are
delivered; its body need not be in memory. To give a message back to the queue instead and to take
it again when its turn comes would break the order: RabbitMQ requeues the messages of a lost
consumer in the order of their delivery, so that the message that was delivered a second time comes
behind those that it preceded (seen on 3.10.8). It may also have expired in the queue meanwhile, of
which a consumer is not told.
"""

import msgspec

from contracts.topology import GIB, MIB
from worker.spool import Blocks, Spool


class Limits(msgspec.Struct, frozen=True):
    """Bytes of bodies in memory, and bytes of disk."""

    memory: int = 64 * MIB
    disk: int = GIB


DEFAULT_LIMITS = Limits()


class Body:
    """One body: its size, and its bytes or where they are in the spool."""

    __slots__ = ("blocks", "content", "size")

    def __init__(self, content: bytes | None, size: int, blocks: Blocks = ()) -> None:
        self.content = content
        self.size = size
        self.blocks = blocks


class Bodies:
    """Counts the bodies of a whole process."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._spool = Spool(limits.disk)
        self.in_memory = 0

    @property
    def on_disk(self) -> int:
        """Bytes of disk in use."""
        return self._spool.used

    @property
    def has_room(self) -> bool:
        """Whether half of the disk space is free again."""
        return 2 * self.on_disk <= self._limits.disk

    def keep(self, content: bytes, *, in_memory: bool = False) -> Body:
        """Keep a body, in memory if it fits or has to; raises SpoolError where there is no room."""
        size = len(content)
        if in_memory or self.in_memory + size <= self._limits.memory:
            self.in_memory += size
            return Body(content, size)
        return Body(None, size, self._spool.put(content))

    def read(self, body: Body) -> bytes:
        """Return the bytes of a body, from wherever they are; raises SpoolError."""
        return self._spool.read(body.blocks, body.size) if body.content is None else body.content

    def load(self, body: Body) -> bytes:
        """Take a body into memory, over the limit if need be: its command is about to run.

        The number of commands that run at once bounds the excess.
        """
        if body.content is None:
            body.content = self.read(body)
            self.in_memory += body.size
            self._spool.free(body.blocks)
        return body.content

    def drop(self, body: Body) -> None:
        """Forget a body."""
        if body.content is None:
            self._spool.free(body.blocks)
        else:
            self.in_memory -= body.size
        body.content, body.size, body.blocks = b"", 0, ()
