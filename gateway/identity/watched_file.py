"""A file whose value is read again when it changes, also when Kubernetes swaps its symbolic link.

The kubelet replaces a mounted Secret or ConfigMap by a rename of the link `..data`, so the path has
another inode afterwards.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from contracts.process.environment import ConfigurationError

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
FILE_LIMIT = 1024 * 1024
"""The maximal size in bytes: a Secret or a ConfigMap of Kubernetes is not larger."""

Value = TypeVar("Value")
Signature = tuple[int, int, int, int]


class InvalidFile(Exception):
    """The content of a file is not valid; the message has the place and the expected value."""


class WatchedFile(Generic[Value]):
    """The value of a file; the former value stays in force if a changed file is not valid."""

    def __init__(
        self,
        variable: str,
        path: str,
        parse: Callable[[bytes], Value],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file that a variable names; raise ConfigurationError if it is not valid.

        `parse` raises InvalidFile. `now` returns seconds.
        """
        self._variable = variable
        self._path = Path(path)
        self._parse = parse
        self._now = now
        self._checked_at = now()
        self._signature = self._present()
        try:
            self._value = self._read()
        except (OSError, InvalidFile) as error:
            raise ConfigurationError(self._complaint(error)) from error

    def current(self) -> Value:
        """Return the value; look for a changed file at most once per second."""
        now = self._now()
        if now - self._checked_at >= CHECK_INTERVAL_S:
            self._checked_at = now
            signature = self._present()
            if signature != self._signature:
                # Remembered before the file is read: a change in between is seen next time.
                self._signature = signature
                self._renew()
        return self._value

    def _renew(self) -> None:
        try:
            self._value = self._read()
        except (OSError, InvalidFile) as error:
            log.error("%s; the former content stays in force", self._complaint(error))
        else:
            log.info("%s=%s has changed and is in force", self._variable, self._path)

    def _read(self) -> Value:
        with self._path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
        if len(content) > FILE_LIMIT:
            raise InvalidFile(f"expected at most {FILE_LIMIT} bytes")
        return self._parse(content)

    def _present(self) -> Signature | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _complaint(self, error: OSError | InvalidFile) -> str:
        reason = error
        if isinstance(error, OSError):
            return (
                f"{self._variable}={str(self._path)!r}: expected a readable file: {error.strerror}"
            )
        return f"{self._variable}={str(self._path)!r}: {reason}"
