"""AWS that answers from a script and notes what it was asked: for what a real one rarely does,
such as breaking a connection. Everything else is tried on the stand-in."""

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


class Asked(msgspec.Struct, frozen=True):
    """A request as it left: the action without its service, parameters, headers."""

    action: str
    parameters: dict[str, Any]
    headers: dict[str, str]


class Said(msgspec.Struct, frozen=True):
    """An answer as it arrives."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


Answer = Said | Exception | Callable[[Asked], "Said"]


class Scripted:
    """Gives the answers in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[Asked] = []
        self.inside = self.most_at_once = 0

    @property
    def asked(self) -> list[str]:
        return [each.action for each in self.requests]

    def answer(self, asked: Asked) -> Said:
        self.requests.append(asked)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, Said) else found(asked)

    @asynccontextmanager
    async def client(
        self, credentials: Credentials | None = None, **settings: Any
    ) -> AsyncIterator[Client]:
        """A client of this AWS; its repeats come at once unless told otherwise."""
        values: dict[str, Any] = {"ecs_region": "eu-central-1", "ecs_retry_base_ms": 1} | settings
        token = CURRENT.set(self)
        services, own = await _opened()
        yield Client(Settings(**values), services, credentials or own)
        CURRENT.reset(token)


CURRENT: ContextVar[Scripted] = ContextVar("CURRENT")
"""Whose script it is: the client library's clients take long to open and are the same for all."""

OPENED: list[tuple[dict[str, Any], Credentials]] = []


async def _opened() -> tuple[dict[str, Any], Credentials]:
    if not OPENED:
        region = Settings("eu-central-1", ecs_endpoint="http://aws.test")
        OPENED.append(
            await open_services(AsyncExitStack(), region, CREDENTIALS, SERVICES.values(), Session)
        )
    return OPENED[0]


class Session:
    """One HTTP session of the client library; holds nothing open."""

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
            said = script.answer(_asked(request))
        finally:
            script.inside -= 1
        return AioAWSResponse(request.url, said.status, dict(said.headers), Raw(said.body))


class Raw:
    """The body of a response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


def answer(body: Any, status: int = 200, **headers: str) -> Said:
    """A JSON answer; header names with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, json.dumps(body).encode(), named)


def failure(code: str, message: str = "what happened", status: int = 400, **headers: str) -> Said:
    """A failure as AWS's JSON services write it."""
    return answer({"__type": code, "message": message}, status, **headers)


def _asked(request: Any) -> Asked:
    headers: Mapping[str, Any] = request.headers
    text = {name: _text(value) for name, value in headers.items()}
    body = _text(request.body or b"")
    if target := text.get("X-Amz-Target"):
        return Asked(target.rpartition(".")[2], json.loads(body), text)
    parameters = dict(parse_qsl(body, keep_blank_values=True))
    return Asked(parameters.pop("Action"), parameters, text)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
