"""A TTL cache with a size limit, which evicts the least recently used entry."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TtlCache(Generic[Key, Value]):
    """A cache of values that expire after a fixed time."""

    def __init__(
        self, limit: int, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`lifetime` is in seconds, counted from `put`."""
        self._limit = limit
        self._lifetime = lifetime
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None if it is absent or expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        since, value = entry
        if self._clock() - since > self._lifetime:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Store a value; evict the least recently used one if the cache is full."""
        self._entries[key] = (self._clock(), value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Remove the value of a key, if any."""
        self._entries.pop(key, None)
