"""The replay of recorded requests, and the comparison of the answers field by field."""

import http.client
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.sandbox.kubernetes.server import KubernetesSandbox

Certificate = tuple[Path, Path]
RECORDINGS = Path(__file__).parent / "recordings"
# Maps whose keys are data.
_OPEN = {"labels", "annotations", "matchLabels", "data", "limits", "requests", "nodeSelector"}
_LEARNT = re.compile(r'"(uid|resourceVersion|continue)":\s*"([^"]+)"')


@dataclass(frozen=True)
class Recording:
    """A recorded request with the real server's answer."""

    id: str
    row: dict[str, Any]

    @property
    def answer(self) -> Any:
        return self.row["answer"]

    @property
    def is_status(self) -> bool:
        return isinstance(self.answer, dict) and self.answer.get("kind") == "Status"


def recordings() -> list[Recording]:
    found = []
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found.append(Recording(f"{path.stem}#{row['number']}", row))
    return found


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.text)
        except json.JSONDecodeError:
            return self.text


@dataclass
class Replayer:
    """A client for recorded requests that replaces uids, versions and tokens by the sandbox's."""

    sandbox: KubernetesSandbox
    tokens: dict[str, str]
    certificates: dict[str, Certificate]
    learnt: dict[str, str] = field(default_factory=dict)
    connections: dict[Certificate | None, http.client.HTTPSConnection] = field(default_factory=dict)

    def close(self) -> None:
        """Close all connections."""
        for connection in self.connections.values():
            connection.close()

    def send(self, recording: Recording) -> Answer:
        row = recording.row
        headers = {name: self._translated(text) for name, text in row["headers"].items()}
        for placeholder, token in self.tokens.items():
            if "authorization" in headers:
                headers["authorization"] = headers["authorization"].replace(placeholder, token)
        body = self._translated(row.get("body", "")).encode()
        certified = re.search(r"client cert: ([\w-]+)", row["title"])
        certificate = self.certificates[certified[1]] if certified else None
        target = self._target(row["target"])
        answer = self.call(row["method"], target, headers, body, certificate)
        if answer.status < 300:
            self._learn(recording.answer, answer.body)
        return answer

    def call(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
        certificate: Certificate | None = None,
    ) -> Answer:
        connection = self._connection(certificate)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, text in {"user-agent": "recorder/1", **headers}.items():
            if name not in {"connection", "expect", "transfer-encoding"}:
                connection.putheader(name, text)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        given = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, given, text)

    def _connection(self, certificate: Certificate | None) -> http.client.HTTPSConnection:
        """Return the connection with this client certificate."""
        if certificate not in self.connections:
            context = self.sandbox.trust()
            if certificate is not None:
                context.load_cert_chain(*certificate)
            place = urlsplit(self.sandbox.url)
            self.connections[certificate] = http.client.HTTPSConnection(
                place.hostname or "", place.port, context=context, timeout=20
            )
        return self.connections[certificate]

    def _translated(self, text: str) -> str:
        def swap(found: re.Match[str]) -> str:
            return f'"{found[1]}": "{self.learnt.get(found[1] + found[2], found[2])}"'

        return _LEARNT.sub(swap, text)

    def _target(self, target: str) -> str:
        def swap(found: re.Match[str]) -> str:
            return f"{found[1]}{found[2]}={self.learnt.get(found[2] + found[3], found[3])}"

        return re.sub(r"([?&])(continue|resourceVersion)=([^&]+)", swap, target)

    def _learn(self, recorded: Any, given: Any) -> None:
        if isinstance(recorded, dict) and isinstance(given, dict):
            for name, value in recorded.items():
                if name in {"uid", "resourceVersion", "continue"} and isinstance(value, str):
                    self.learnt[name + value] = str(given.get(name, value))
                else:
                    self._learn(value, given.get(name))
        elif isinstance(recorded, list) and isinstance(given, list):
            for one, other in zip(recorded, given, strict=False):
                self._learn(one, other)


def shape(value: Any, depth: int = 6) -> Any:
    """Return the names in a body without values; a list is represented by its first item."""
    if depth == 0:
        return "..."
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name != "managedFields"}
        return {
            name: "{}" if name in _OPEN else shape(item, depth - 1) for name, item in kept.items()
        }
    if isinstance(value, list):
        return [shape(value[0], depth - 1)] if value else []
    return type(value).__name__ if value is not None else "null"


def differences(recording: Recording, answer: Answer) -> list[str]:
    """Return the differences in status, media type, kind, reason, details and shape."""
    row, given = recording.row, answer.body
    found = []
    if answer.status != row["status"]:
        found.append(f"status {row['status']} but {answer.status}")
    recorded_type = row["answer_headers"].get("content-type", "")
    if recorded_type.partition(";")[0] != answer.headers.get("content-type", "").partition(";")[0]:
        found.append(f"media type {recorded_type}")
    if "retry-after" in row["answer_headers"] and "retry-after" not in answer.headers:
        found.append("Retry-After is missing")
    if "warning" in row["answer_headers"] and "warning" not in answer.headers:
        found.append("Warning is missing")
    if recording.is_status:
        found += _status_differences(recording.answer, given)
    elif isinstance(recording.answer, dict):
        found += _object_differences(recording.answer, given)
    return found


def _status_differences(recorded: dict[str, Any], given: Any) -> list[str]:
    if not isinstance(given, dict):
        return ["not a Status"]
    names = ("kind", "reason", "details", "status", "code")
    return [
        f"{name}: {_normal(recorded.get(name))} but {_normal(given.get(name))}"
        for name in names
        if _normal(recorded.get(name)) != _normal(given.get(name))
    ]


def _normal(value: Any) -> str:
    """Return a value with uids replaced, and with sorted causes without messages."""
    if isinstance(value, dict) and "causes" in value:
        causes = [{k: v for k, v in c.items() if k != "message"} for c in value["causes"]]
        causes.sort(key=lambda cause: sorted(cause.items()))
        value = {**value, "causes": causes}
    return re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uid>", json.dumps(value, sort_keys=True)
    )


def _object_differences(recorded: dict[str, Any], given: Any) -> list[str]:
    if not isinstance(given, dict):
        return ["not an object"]
    found = [
        f"{name}: {recorded.get(name)} but {given.get(name)}"
        for name in ("kind", "apiVersion")
        if recorded.get(name) != given.get(name)
    ]
    one, other = shape(recorded), shape(given)
    return found + [f"shape {path}" for path in unlike(one, other)]


def unlike(recorded: Any, given: Any, path: str = "") -> list[str]:
    if isinstance(recorded, dict) and isinstance(given, dict):
        found = []
        for name in sorted(recorded.keys() | given.keys()):
            if name not in given:
                found.append(f"-{path}.{name}")
            elif name not in recorded:
                found.append(f"+{path}.{name}")
            else:
                found += unlike(recorded[name], given[name], f"{path}.{name}")
        return found
    if isinstance(recorded, list) and isinstance(given, list) and recorded and given:
        return unlike(recorded[0], given[0], f"{path}[]")
    return [] if recorded == given else [f"{path}: {recorded} but {given}"[:120]]


def message_agrees(recording: Recording, answer: Answer) -> bool:
    if not recording.is_status or not isinstance(answer.body, dict):
        return True
    return _normal(recording.answer.get("message")) == _normal(answer.body.get("message"))
