"""Remembers a bounded number of findings, those used last, and believes each for a limited time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Finding = TypeVar("Finding")


class Memory(Generic[Key, Finding]):
    """What was found out, until it is too old or too much."""

    def __init__(
        self, limit: int, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`lifetime` is in seconds, counted from when a finding was put in."""
        self._limit = limit
        self._lifetime = lifetime
        self._clock = clock
        self._found: OrderedDict[Key, tuple[float, Finding]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: Key) -> Finding | None:
        """What is known, None where that is nothing any more."""
        known = self._found.get(key)
        if known is None:
            return None
        since, finding = known
        if self._clock() - since > self._lifetime:
            del self._found[key]
            return None
        self._found.move_to_end(key)
        return finding

    def put(self, key: Key, finding: Finding) -> None:
        """Remember, and forget what has not been used for longest when there is too much."""
        self._found[key] = (self._clock(), finding)
        self._found.move_to_end(key)
        if len(self._found) > self._limit:
            self._found.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Drop what turned out to be wrong."""
        self._found.pop(key, None)
