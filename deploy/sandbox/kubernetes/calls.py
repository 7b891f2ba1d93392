"""The log of requests: what arrived, when, and how it was answered."""

import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import overload

import msgspec

KEPT = 100_000


class Call(msgspec.Struct):
    """One request; `status` and `t_end` stay None while it is not answered."""

    method: str
    path: str
    query: str
    user_agent: str
    http_version: str = ""
    body: bytes | None = None
    wall_start: float = msgspec.field(default_factory=time.time)
    t_start: float = msgspec.field(default_factory=time.monotonic)
    wall_end: float | None = None
    t_end: float | None = None
    status: int | None = None

    def answered(self, status: int | None) -> None:
        """`status` None: the connection was cut instead."""
        self.status = status
        self.wall_end, self.t_end = time.time(), time.monotonic()


class Calls:
    """The newest calls in order of arrival; may be read while the server runs in another thread.

    `path` is compared as sent, without the query, and matched anywhere in it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT)

    def append(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def matching(self, method: str | None = None, path: str | None = None) -> list[Call]:
        return [
            call
            for call in self
            if method in {None, call.method} and (path is None or re.search(path, call.path))
        ]

    def count(self, method: str | None = None, path: str | None = None) -> int:
        return len(self.matching(method, path))

    def writes(self) -> list[Call]:
        return [call for call in self if call.method not in {"GET", "HEAD"}]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        with self._lock:
            return list(self._calls)[index]
