"""A request to the Kubernetes API in the call log."""

import re

from deploy.sandbox import control


class Call(control.Call):
    """`path` is as sent, without the query; `body` is None for reads."""

    method: str
    path: str
    query: str
    http_version: str = ""
    body: bytes | None = None

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"}

    def matches(self, *wanted: str) -> bool:
        """Compare a method, and search the path for a pattern; an empty string matches all."""
        method, path, *_ = (*wanted, "", "")
        return method in {"", self.method} and re.search(path, self.path) is not None
