"""The bodies of commands that a worker holds: in memory up to a limit, beyond that in a spool.

A worker holds commands that wait for an unresponsive target, so that commands of other addresses
are delivered; a held body need not be in memory. Requeueing such a command would break the order:
RabbitMQ requeues the messages of a lost consumer in the order of their delivery, so that a message
that was delivered twice follows messages that were published after it (seen on 3.10.8). The
requeued command might also expire in the queue, without notice to the consumer.
"""

import msgspec

from contracts.topology import GIB, MIB
from worker.partitions.spool import Blocks, Spool


class Limits(msgspec.Struct, frozen=True):
    """The limits of bodies in memory and on disk, in bytes."""

    memory: int = 64 * MIB
    disk: int = GIB


DEFAULT_LIMITS = Limits()


class Body:
    """A body: its size, and its bytes or their blocks in the spool."""

    __slots__ = ("blocks", "content", "size")

    def __init__(self, content: bytes | None, size: int, blocks: Blocks = ()) -> None:
        self.content = content
        self.size = size
        self.blocks = blocks


class Bodies:
    """The bodies of all partitions of a process."""

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
        """True if at least half of the disk space is free."""
        return 2 * self.on_disk <= self._limits.disk

    def keep(self, content: bytes, *, in_memory: bool = False) -> Body:
        """Store a body, in memory if it fits or `in_memory` is set; raises SpoolError if full."""
        size = len(content)
        if in_memory or self.in_memory + size <= self._limits.memory:
            self.in_memory += size
            return Body(content, size)
        return Body(None, size, self._spool.put(content))

    def read(self, body: Body) -> bytes:
        """Return the bytes of a body from memory or disk; raises SpoolError."""
        return self._spool.read(body.blocks, body.size) if body.content is None else body.content

    def load(self, body: Body) -> bytes:
        """Load the body of a command that is about to run into memory, even over the limit.

        The number of concurrent commands limits the excess.
        """
        if body.content is None:
            body.content = self.read(body)
            self.in_memory += body.size
            self._spool.free(body.blocks)
        return body.content

    def drop(self, body: Body) -> None:
        """Free a body."""
        if body.content is None:
            self._spool.free(body.blocks)
        else:
            self.in_memory -= body.size
        body.content, body.size, body.blocks = b"", 0, ()
