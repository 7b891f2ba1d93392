"""The control plane of both servers: the log of calls, the faults to inject, and their REST form.

Each server says in a subclass of `Call` and one of `Fault` what distinguishes its requests.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

import msgspec

PREFIX = "/_sandbox/"
MAX_CALLS = 100_000
LOOK_S = 0.05
"""The interval in which a waiting request looks at its delay."""


class Call(msgspec.Struct, kw_only=True):
    """A request in the log; `t_` times are monotonic, `wall_` times count from the epoch.

    `t_end` is None until the request ends; `status` stays None when its connection was cut.
    """

    user_agent: str = ""
    wall_start: float = msgspec.field(default_factory=time.time)
    t_start: float = msgspec.field(default_factory=time.monotonic)
    wall_end: float | None = None
    t_end: float | None = None
    status: int | None = None

    @property
    def writes(self) -> bool:
        raise NotImplementedError

    def matches(self, *wanted: str) -> bool:
        raise NotImplementedError

    def answered(self, status: int | None) -> None:
        """Record the end of the request; a status of None stands for a cut connection."""
        self.status = status
        self.wall_end, self.t_end = time.time(), time.monotonic()


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An effect on matching requests: wait for `delay` seconds, then cut, refuse or act.

    A delay that is reduced meanwhile also ends earlier for the requests that wait.

    `disconnect` "before" cuts the connection without acting, "after" acts and cuts instead of
    answering. `times` None means until the fault is removed; `hits` counts its requests.
    """

    status: int | None = None
    body: str | dict[str, Any] | None = None
    delay: float = 0
    disconnect: Literal["before", "after"] | None = None
    times: int | None = 1
    hits: int = 0

    @property
    def content(self) -> bytes:
        if isinstance(self.body, dict):
            return msgspec.json.encode(self.body)
        return (self.body or "").encode()

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times

    def rest(self, since: float) -> float:
        """Return the rest of the delay of a request, in seconds; `since` is a monotonic time."""
        return since + self.delay - time.monotonic()

    def matches(self, call: Any) -> bool:
        raise NotImplementedError


C = TypeVar("C", bound=Call)
F = TypeVar("F", bound=Fault)
P = ParamSpec("P")


class Calls(Generic[C]):
    """The newest calls in order of arrival; safe to read while the server runs in a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[C] = deque(maxlen=MAX_CALLS)

    def append(self, call: C) -> None:
        with self._lock:
            self._calls.append(call)

    def matching(self, *wanted: str) -> list[C]:
        return [call for call in self if call.matches(*wanted)]

    def count(self, *wanted: str) -> int:
        return len(self.matching(*wanted))

    def writes(self) -> list[C]:
        return [call for call in self if call.writes]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def __iter__(self) -> Iterator[C]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    @overload
    def __getitem__(self, index: int) -> C: ...
    @overload
    def __getitem__(self, index: slice) -> list[C]: ...
    def __getitem__(self, index: int | slice) -> C | list[C]:
        with self._lock:
            return list(self._calls)[index]


class Faults(Generic[P, F]):
    """The faults to inject: the first that matches a call applies; a spent fault stays listed."""

    def __init__(self, kind: Callable[P, F]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._faults: list[F] = []

    def add(self, *criteria: P.args, **fields: P.kwargs) -> F:
        return self.put(self._kind(*criteria, **fields))

    def put(self, fault: F) -> F:
        with self._lock:
            self._faults.append(fault)
        return fault

    def put_json(self, body: bytes) -> F:
        return self.put(msgspec.json.decode(body, type=cast(type[F], self._kind)))

    def take(self, call: Call) -> F | None:
        """Return the fault for this call and count the call."""
        with self._lock:
            for fault in self._faults:
                if not fault.spent and fault.matches(call):
                    fault.hits += 1
                    return fault
        return None

    def listed(self) -> list[F]:
        with self._lock:
            return list(self._faults)

    def remove(self, fault: F) -> None:
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()


class Control:
    """The REST form of the control plane, the same for both servers."""

    def __init__(
        self, calls: Calls[Any], faults: Faults[..., Any], reset: Callable[[], None]
    ) -> None:
        self._calls, self._faults, self._reset = calls, faults, reset

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the JSON body for a request below `PREFIX`."""
        match method, path.removeprefix(PREFIX).rstrip("/"):
            case "GET", "calls":
                return 200, msgspec.json.encode([_readable(call) for call in self._calls])
            case "DELETE", "calls":
                self._calls.clear()
            case "GET", "faults":
                return 200, msgspec.json.encode(self._faults.listed())
            case "POST", "faults":
                try:
                    self._faults.put_json(body)
                except (msgspec.DecodeError, re.error) as error:
                    return 400, msgspec.json.encode({"message": str(error)})
            case "DELETE", "faults":
                self._faults.clear()
            case "POST", "reset":
                self._reset()
            case _:
                return 404, b'{"message":"calls, faults or reset"}'
        return 200, b"{}"


def _readable(call: Call) -> dict[str, Any]:
    """Return the fields of a call, with bytes as text instead of base64."""
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for name, value in msgspec.structs.asdict(call).items()
    }
