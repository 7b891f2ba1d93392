"""An AWS that answers from a script and records requests.

For failures that the stand-in cannot produce, such as a broken connection.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiobotocore.awsrequest import AioAWSResponse

from worker.providers.ecs.aws.client import SERVICES, Client
from worker.providers.ecs.aws.credentials import Credentials
from worker.providers.ecs.aws.session import open_services
from worker.providers.ecs.settings import Settings

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


class Request(msgspec.Struct, frozen=True):
    """A sent request; the action is without its service."""

    action: str
    parameters: dict[str, Any]
    headers: dict[str, str]


class Response(msgspec.Struct, frozen=True):
    """A received response."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


Answer = Response | Exception | Callable[[Request], "Response"]


class Scripted:
    """The answers in order; the last one is repeated."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.inside = self.most_at_once = 0

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, Response) else found(request)

    @asynccontextmanager
    async def client(
        self, credentials: Credentials | None = None, **settings: Any
    ) -> AsyncIterator[Client]:
        """A client of this AWS; `settings` override its short delays between retries."""
        values: dict[str, Any] = {"ecs_region": "eu-central-1", "ecs_retry_base_ms": 1} | settings
        token = CURRENT.set(self)
        services, own = await _opened()
        yield Client(Settings(**values), services, credentials or own)
        CURRENT.reset(token)


CURRENT: ContextVar[Scripted] = ContextVar("CURRENT")
"""The script in use: all tests share the clients of the client library, which open slowly."""

OPENED: list[tuple[dict[str, Any], Credentials]] = []


async def _opened() -> tuple[dict[str, Any], Credentials]:
    if not OPENED:
        region = Settings("eu-central-1", ecs_endpoint="http://aws.test")
        OPENED.append(
            await open_services(AsyncExitStack(), region, CREDENTIALS, SERVICES.values(), Session)
        )
    return OPENED[0]


class Session:
    """An HTTP session of the client library, without connections."""

    def __init__(self, **options: Any) -> None:
        pass

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *raised: object) -> None:
        pass

    async def send(self, request: Any) -> AioAWSResponse:
        script = CURRENT.get()
        script.inside += 1
        script.most_at_once = max(script.most_at_once, script.inside)
        try:
            await asyncio.sleep(0)
            response = script.answer(_read(request))
        finally:
            script.inside -= 1
        return AioAWSResponse(
            request.url, response.status, dict(response.headers), Raw(response.body)
        )


class Raw:
    """The body of a response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    """A JSON response; `headers` have underscores instead of hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(body).encode(), named)


def failure(
    code: str, message: str = "what happened", status: int = 400, **headers: str
) -> Response:
    """An error response of a JSON service of AWS."""
    return answer({"__type": code, "message": message}, status, **headers)


def _read(request: Any) -> Request:
    headers: Mapping[str, Any] = request.headers
    text = {name: _text(value) for name, value in headers.items()}
    body = _text(request.body or b"")
    if target := text.get("X-Amz-Target"):
        return Request(target.rpartition(".")[2], json.loads(body), text)
    parameters = dict(parse_qsl(body, keep_blank_values=True))
    return Request(parameters.pop("Action"), parameters, text)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
