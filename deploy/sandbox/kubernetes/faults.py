"""Injected faults: delays, error answers and cut connections, for the requests they match."""

import re
import threading
from typing import Any, Literal

import msgspec

from deploy.sandbox.kubernetes.statuses import failure


class Fault(msgspec.Struct):
    """What to do to a matching request, in this order: wait, then cut, refuse or act.

    `path` and `query` are patterns, found anywhere in the path and in the query as sent. A
    `body` that is a dict is sent as JSON.
    `times` None means always. `disconnect` "before" cuts without acting, "after" acts and cuts
    instead of answering. With a `status` the request is answered so and not acted on. `goaway`
    announces the end of an HTTP/2 connection after answering.
    """

    method: str | None = None
    path: str | None = None
    query: str | None = None
    delay: float = 0
    status: int | None = None
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = {}
    disconnect: Literal["before", "after"] | None = None
    goaway: bool = False
    times: int | None = None
    hits: int = 0

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)

    def matches(self, method: str, path: str, query: str) -> bool:
        return (
            self.method in {None, method}
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.query is None or re.search(self.query, query) is not None)
            and (self.times is None or self.hits < self.times)
        )


class Faults:
    """The faults in force; the first that matches is used. Safe to change from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        method: str | None = None,
        path: str | None = None,
        *,
        query: str | None = None,
        delay: float = 0,
        status: int | None = None,
        body: str | dict[str, Any] = "",
        headers: dict[str, str] | None = None,
        disconnect: Literal["before", "after"] | None = None,
        goaway: bool = False,
        times: int | None = None,
    ) -> Fault:
        fault = Fault(
            method, path, query, delay, status, body, headers or {}, disconnect, goaway, times
        )
        return self.put(fault)

    def overload(self, path: str | None = None, times: int | None = 1) -> Fault:
        """Refuse as a server does that has too many requests."""
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "retry-after": "1",
            "x-content-type-options": "nosniff",
        }
        body = "Too many requests, please try again later.\n"
        return self.add(path=path, status=429, body=body, headers=headers, times=times)

    def deny(
        self,
        code: int,
        message: str,
        *,
        method: str | None = None,
        path: str | None = None,
        reason: str = "",
    ) -> Fault:
        """Refuse as the API server does after a validating webhook chose this code and message."""
        words = f'admission webhook "objects.example.com" denied the request: {message}'
        return self.add(method, path, status=code, body=failure(code, reason, words).status or {})

    def put(self, fault: Fault) -> Fault:
        for pattern in (fault.path, fault.query):
            re.compile(pattern or "")
        # HTTP/2 knows lower-case names only.
        fault.headers = {name.lower(): text for name, text in fault.headers.items()}
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """The fault for this request, counted as used."""
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if fault.matches(method, path, query):
                    fault.hits += 1
                    return fault
        return None

    def listed(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
