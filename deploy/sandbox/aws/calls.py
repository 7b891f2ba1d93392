"""The log of requests: which action, with which parameters, when, and how it was answered."""

import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import overload

import msgspec

from deploy.sandbox.aws.messages import Json

KEPT = 100_000
_READS = re.compile(r":(Describe|List|Get|Discover|BatchGet)")


class Call(msgspec.Struct):
    """One request; `t_end` and `status` stay None while it is not answered.

    `action` is spelt as in IAM. `error` is the code of the answered error; a connection that was
    cut has a `t_end` and no `status`. `t_` times are monotonic, `wall_` times since the epoch.
    """

    action: str
    parameters: Json
    user_agent: str = ""
    access_key: str = ""
    wall_start: float = msgspec.field(default_factory=time.time)
    t_start: float = msgspec.field(default_factory=time.monotonic)
    wall_end: float | None = None
    t_end: float | None = None
    status: int | None = None
    error: str | None = None

    @property
    def writes(self) -> bool:
        return _READS.search(self.action) is None

    def answered(self, status: int | None, error: str | None = None) -> None:
        self.status, self.error = status, error
        self.wall_end, self.t_end = time.time(), time.monotonic()


class Calls:
    """The newest calls in order of arrival; may be read while the server runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT)

    def append(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def matching(self, action: str | None = None) -> list[Call]:
        """Calls of an action, e.g. `ecs:DescribeTasks`, or of a service: `ecs:`."""
        return [call for call in self if action is None or _is(call.action, action)]

    def count(self, action: str | None = None) -> int:
        return len(self.matching(action))

    def writes(self) -> list[Call]:
        return [call for call in self if call.writes]

    def actions(self) -> list[str]:
        return [call.action for call in self]

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


def _is(action: str, wanted: str) -> bool:
    return action.startswith(wanted) if wanted.endswith(":") else action == wanted
