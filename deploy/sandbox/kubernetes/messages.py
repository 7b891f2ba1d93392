"""A request as the API reads it and an answer as the edge sends it. Knows no sockets."""

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
YAML = "application/yaml"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    certified: Identity | None = None

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query; a pair that is not properly encoded is dropped, as Go drops it."""
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

    @cached_property
    def wants(self) -> str:
        """`json`, `yaml` or `metadata` (PartialObjectMetadata), in the caller's order."""
        unknown = False
        for accepted in self.headers.get("accept", "*/*").split(","):
            kind, *options = (part.strip() for part in accepted.split(";"))
            represented = next((o[3:] for o in options if o.startswith("as=")), "")
            if represented.startswith("PartialObjectMetadata") and kind == JSON:
                return "metadata"
            if represented:
                unknown = True
                continue
            if kind in {JSON, "application/*", "*/*"}:
                return "json"
            if kind == YAML:
                return "yaml"
        raise not_acceptable(unknown)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def rendered(kind: Kind, version: str, stored: Stored) -> bytes:
    """An object with its type in front, as single reads and events show it."""
    return _typed(kind.kind, kind.in_version(version)) + stored.encoded[1:]


def metadata_only(stored: Stored) -> bytes:
    encoded = msgspec.json.encode({"metadata": stored.metadata})
    return _typed("PartialObjectMetadata", "meta.k8s.io/v1") + encoded[1:]


def _typed(kind: str, api_version: str) -> bytes:
    return f'{{"kind":"{kind}","apiVersion":"{api_version}",'.encode()


def answered(request: Request, status: int, body: bytes, warnings: list[str]) -> Answer:
    headers = {"warning": ", ".join(_warning(text) for text in warnings)} if warnings else {}
    if request.wants == "yaml":
        # Imported late, as nobody but a person with curl asks for it.
        import yaml

        text = yaml.safe_dump(msgspec.json.decode(body), allow_unicode=True)
        return Answer(status, text.encode(), YAML, headers)
    return Answer(status, body, JSON, headers)


def _warning(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def refused(request: Request, refusal: Refusal) -> Answer:
    if refusal.status is None:
        return Answer(
            refusal.code, refusal.text.encode(), "text/plain; charset=utf-8", refusal.headers
        )
    body = msgspec.json.encode(refusal.status)
    if refusal.code == 406:
        return Answer(406, body, JSON, refusal.headers)
    answer = answered(request, refusal.code, body, [])
    return Answer(answer.status, answer.body, answer.media_type, refusal.headers)
