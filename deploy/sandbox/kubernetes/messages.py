"""Requests and answers of the API, independent of the HTTP server."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote_plus

import msgspec

from deploy.sandbox.kubernetes.access import Identity
from deploy.sandbox.kubernetes.kinds import Kind
from deploy.sandbox.kubernetes.statuses import Refusal, not_acceptable
from deploy.sandbox.kubernetes.store import Stored

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    certificate_user: Identity | None = None

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query parameters; a pair with an invalid encoding is dropped, as in Go."""
        found: dict[str, str] = {}
        for pair in self.query.split("&"):
            name, _, value = pair.partition("=")
            if pair and ";" not in pair and not re.search(r"%(?![0-9A-Fa-f]{2})", pair):
                found.setdefault(unquote_plus(name), unquote_plus(value))
        return found

    @property
    def is_watch(self) -> bool:
        return self.parameters.get("watch", "") in {"1", "true", "True"}

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def manager(self) -> str:
        agent = self.headers.get("user-agent", "").partition("/")[0]
        return self.parameters.get("fieldManager") or agent or "unknown"

    def check_accept(self) -> None:
        """Refuse a request that does not accept plain JSON."""
        represented = False
        for accepted in self.headers.get("accept", "*/*").split(","):
            kind, *options = (part.strip() for part in accepted.split(";"))
            if any(option.startswith("as=") for option in options):
                represented = True
            elif kind in {JSON, "application/*", "*/*"}:
                return
        raise not_acceptable(represented)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def encode_object(kind: Kind, version: str, stored: Stored) -> bytes:
    """Return an encoded object with its type in front, as in single reads and events."""
    return _typed(kind.kind, kind.in_version(version)) + stored.encoded[1:]


def _typed(kind: str, api_version: str) -> bytes:
    return f'{{"kind":"{kind}","apiVersion":"{api_version}",'.encode()


def json_answer(status: int, body: bytes, warnings: list[str]) -> Answer:
    headers = {"warning": ", ".join(_warning(text) for text in warnings)} if warnings else {}
    return Answer(status, body, JSON, headers)


def _warning(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def error_answer(refusal: Refusal) -> Answer:
    if refusal.status is None:
        return Answer(
            refusal.code, refusal.text.encode(), "text/plain; charset=utf-8", refusal.headers
        )
    return Answer(refusal.code, msgspec.json.encode(refusal.status), JSON, refusal.headers)
