"""Sources of credentials for tests: role metadata, the endpoint of a container, STS."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from contracts.process.environment import ConfigurationError
from worker.providers import ecs

FOUND = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "AKIAFOUND",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
    "LastUpdated": "2026-01-01T00:00:00Z",
}
INHERITED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
)


class Metadata(BaseHTTPRequestHandler):
    """The metadata endpoints of an ECS agent and of an EC2 instance with a role."""

    redirected: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        if self.path.startswith("/moved/PUT"):
            self._redirect(302)
        else:
            self._answer("a-session")

    def do_POST(self) -> None:
        """Refuse each role, as STS does; redirect requests to ECS and to /moved."""
        if self.path == "/elsewhere":
            self.redirected.append(self.path)
        if self.path == "/deep/":
            self._answer("[" * 5000 + "]" * 5000)
            return
        if self.headers.get("X-Amz-Target") or self.path == "/moved":
            self._redirect(307)
            return
        self._answer(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not for you</Message></Error>"
            "</ErrorResponse>",
            403,
        )

    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.redirected.append(self.path)
        if self.path.startswith("/moved"):
            self._redirect(302)
            return
        is_list = self.path.endswith("/security-credentials/")
        self._answer("worker" if is_list else json.dumps(FOUND))

    def _redirect(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


class Source:
    """A credentials endpoint; tests set its answer."""

    def __init__(self) -> None:
        self.answer: object = FOUND
        self.status = "200 OK"
        self.requests = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/credentials"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        kind = "Content-Type: application/json"
        head = f"HTTP/1.1 {self.status}\r\n{kind}\r\nContent-Length: {len(text)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()


def assume_role(monkeypatch: pytest.MonkeyPatch, folder: Path, sts: str) -> None:
    """Configure a role that a worker assumes with a token, and an endpoint of STS."""
    (folder / "token").write_text("the token of the role")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/worker")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)


async def refused(environment: dict[str, str]) -> str:
    """The error message of a worker that does not start."""
    with pytest.raises(ConfigurationError) as raised:
        async with ecs.open_provider(environment):
            pass
    return str(raised.value)
