"""Faults for requests to the Kubernetes API."""

import re

import msgspec

from deploy.sandbox import control
from deploy.sandbox.control import P
from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.statuses import failure


class Fault(control.Fault):
    """`path` and `query` are patterns, searched for in the path and in the query as sent.

    A fault with a `status` answers with it, with `headers` and `body`, and does not act. `goaway`
    announces the end of an HTTP/2 connection after the answer.
    """

    method: str | None = None
    path: str | None = None
    query: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    goaway: bool = False

    def __post_init__(self) -> None:
        for pattern in (self.path, self.query):
            re.compile(pattern or "")
        # HTTP/2 knows lower-case names only.
        self.headers = {name.lower(): text for name, text in self.headers.items()}

    def matches(self, call: Call) -> bool:
        return (
            self.method in {None, call.method}
            and re.search(self.path or "", call.path) is not None
            and re.search(self.query or "", call.query) is not None
        )


class Faults(control.Faults[P, Fault]):
    def overload(self, path: str | None = None, times: int | None = 1) -> Fault:
        """Refuse requests as a server that has too many of them."""
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "retry-after": "1",
            "x-content-type-options": "nosniff",
        }
        body = "Too many requests, please try again later.\n"
        return self.put(Fault(path=path, status=429, body=body, headers=headers, times=times))

    def deny(
        self, code: int, message: str, *, method: str | None = None, path: str | None = None
    ) -> Fault:
        """Refuse as the API server after a validating webhook chose this code and message."""
        words = f'admission webhook "objects.example.com" denied the request: {message}'
        body = failure(code, "", words).status
        return self.put(Fault(method, path, status=code, body=body, times=None))
