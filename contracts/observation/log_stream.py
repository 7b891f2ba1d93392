"""Writes log lines to a descriptor whose reader may stall, without waiting for that reader.

A full pipe, a stopped terminal or a full socket would otherwise block the event loop: the process
would answer nobody, and the broker would take a worker's partitions away.
"""

import logging
import os
import select
import time
from collections import deque

PIECE = 4096
"""POSIX's PIPE_BUF on Linux: a write of this size to a writable pipe does not block."""

HELD_BYTES = 1024 * 1024
CLOSING_S = 1.0

DROPPED = "%d log lines were dropped: the reader of standard error did not keep up"


class LogStream(logging.Handler):
    """Keeps up to 1 MiB of lines for a reader that stalls, then drops the newest lines.

    Held lines are written with the next record, and at the end of the process for up to a second.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._held: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it."""
        try:
            line = self.format(record)
        except Exception:  # as every handler of `logging`: a bad record must not stop the caller
            self.handleError(record)
            return
        if self._held or self._dropped:
            self._drain()
            self._report()
        self._hold(line)
        self._drain()

    def flush(self) -> None:
        """Write the held lines, for up to a second; the caller, `logging`, holds the lock."""
        until = time.monotonic() + CLOSING_S
        while self._held and (left := until - time.monotonic()) > 0:
            self._drain(int(left * 1000) + 1)

    def _report(self) -> None:
        """Hold a warning about the dropped lines, when the reader goes on."""
        if not self._dropped or self._held:
            return
        lost = logging.LogRecord(__name__, logging.WARNING, "", 0, DROPPED, (self._dropped,), None)
        self._dropped = 0
        self._hold(self.format(lost))

    def _hold(self, line: str) -> None:
        piece = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._size + len(piece) > HELD_BYTES:
            self._dropped += 1
            return
        self._held.append(piece)
        self._size += len(piece)

    def _drain(self, wait_ms: int = 0) -> None:
        """Write the held lines until the reader stalls."""
        while self._held:
            piece = self._held[0]
            written = self._write(piece, wait_ms)
            if not written:
                return
            self._size -= written
            if written == len(piece):
                self._held.popleft()
            else:
                self._held[0] = piece[written:]

    def _write(self, piece: bytes, wait_ms: int) -> int:
        """Return the number of bytes written: none if the reader stalls, all if it is gone."""
        if not self._poll.poll(wait_ms):
            return 0
        try:
            return os.write(self._descriptor, piece[:PIECE])
        except BlockingIOError:
            return 0
        except OSError:  # there is nobody else to tell
            return len(piece)
