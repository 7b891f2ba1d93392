"""Values that are loaded from files, and loaded again when the files change."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from contracts.process.environment import ConfigurationError

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0

Value = TypeVar("Value")


class WatchedFile:
    """A file that other processes replace, with a rate-limited check for changes."""

    def __init__(self, path: Path, interval_s: float = CHECK_INTERVAL_S) -> None:
        self.path = path
        self._interval_s = interval_s
        self._last = self._signature()
        self._checked_at = time.monotonic()

    def changed(self) -> bool:
        """Return whether the file changed, appeared or vanished since the last check."""
        now = time.monotonic()
        if now - self._checked_at < self._interval_s:
            return False
        self._checked_at = now
        signature = self._signature()
        changed = signature != self._last
        self._last = signature
        return changed

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class Renewed(Generic[Value]):
    """A value that is loaded from files, and loaded again when one of them changes.

    While the new content is invalid, the former value stays in use, and the error is logged once.
    """

    def __init__(
        self,
        load: Callable[[], Value],
        paths: Iterable[str],
        interval_s: float = CHECK_INTERVAL_S,
    ) -> None:
        """Load the value. `load` raises ConfigurationError for invalid content."""
        # Before the first load, so that no change is missed.
        self._files = [WatchedFile(Path(path), interval_s) for path in paths]
        self._load = load
        self._value = load()
        self._reported = ""

    def current(self) -> Value:
        """Return the value; the files are checked at most once per interval."""
        if any([each.changed() for each in self._files]):  # a list, so that all are checked
            return self.renew()
        return self._value

    def renew(self) -> Value:
        """Load the value again, even if the files look unchanged, and return it."""
        try:
            value = self._load()
        except ConfigurationError as error:
            if str(error) != self._reported:
                log.error("%s; the former value stays in use", error)
            self._reported = str(error)
        else:
            self._reported = ""
            self._value = value
        return self._value
