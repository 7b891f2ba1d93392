"""A spool: an unlinked temporary file for the bodies of commands that do not fit into memory."""

import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

BLOCK = 4096

Blocks = tuple[int, ...]
"""The block numbers of a body in the file, in order."""


class SpoolError(Exception):
    """The spool is full, or the file system refused to write or read."""


class Spool:
    """A file of fixed blocks, whose free blocks are reused; closed while it is empty.

    The file has no name and is readable by this process alone. The operating system frees it when
    the process ends, even if it is killed. `TMPDIR` names the folder.
    """

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes of disk."""
        self._limit = limit // BLOCK
        self._length = 0
        self._free: list[int] = []
        self._file: int | None = None

    @property
    def used(self) -> int:
        """Bytes of disk in use."""
        return (self._length - len(self._free)) * BLOCK

    @property
    def is_closed(self) -> bool:
        """True if there is no file."""
        return self._file is None

    def put(self, body: bytes) -> Blocks:
        """Write a body; raises SpoolError."""
        count = -(-len(body) // BLOCK)
        grown = max(0, count - len(self._free))
        if self._length + grown > self._limit:
            raise SpoolError(f"{self.used} of {self._limit * BLOCK} bytes of disk are in use")
        reused = [self._free.pop() for _ in range(count - grown)]
        blocks = (*reused, *range(self._length, self._length + grown))
        self._length += grown
        try:
            descriptor = self._descriptor()
            for number, block in enumerate(blocks):
                part = body[number * BLOCK : (number + 1) * BLOCK]
                if os.pwrite(descriptor, part, block * BLOCK) != len(part):
                    raise SpoolError("a block was only partly written")
        except (OSError, SpoolError) as error:
            self.free(blocks)
            raise SpoolError(f"{tempfile.gettempdir()}: {error}") from error
        return blocks

    def read(self, blocks: Blocks, size: int) -> bytes:
        """Return the body of this size in these blocks; raises SpoolError."""
        try:
            descriptor = self._descriptor()
            body = b"".join(os.pread(descriptor, BLOCK, block * BLOCK) for block in blocks)[:size]
        except OSError as error:
            raise SpoolError(f"{tempfile.gettempdir()}: {error}") from error
        if len(body) != size:
            raise SpoolError(f"{len(body)} of {size} bytes could be read")
        return body

    def free(self, blocks: Blocks) -> None:
        """Free the blocks of a body; the last body closes the file, which frees the disk space."""
        self._free.extend(blocks)
        if len(self._free) == self._length and self._file is not None:
            self._free.clear()
            self._length = 0
            os.close(self._file)
            self._file = None

    def _descriptor(self) -> int:
        if self._file is None:
            self._file, path = tempfile.mkstemp(prefix="machinist-")
            Path(path).unlink()
            log.info(
                "bodies of waiting commands are written to a temporary file in %s: they exceed "
                "PLT_HELD_BYTES",
                tempfile.gettempdir(),
            )
        return self._file
