"""A scripted API server for rare behaviour, such as a broken connection; it records requests.

Other behaviour is tested on the stand-in.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from worker.providers.k8s.api.client import Client, connect
from worker.providers.k8s.settings import Settings

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Scripted:
    """Gives the answers in turn, and repeats the last one."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    @property
    def asked(self) -> list[str]:
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.requests]

    @asynccontextmanager
    async def client(self, folder: Path, **settings: Any) -> AsyncIterator[Client]:
        """Open a client of this server, with its token in the folder."""
        token = folder / "token"
        if not token.exists():
            token.write_text("first-token")
        values = {"k8s_rest_api_url": "http://api.test", "k8s_token_path": str(token)} | settings
        async with connect(Settings(**values), httpx.MockTransport(self)) as client:
            yield client


def answer(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Return a JSON response; header names have underscores."""
    return httpx.Response(status, json=body, headers=_named(headers))


def text(body: str, status: int, content_type: str = "text/html", **headers: str) -> httpx.Response:
    """Return a response that is not JSON."""
    return httpx.Response(
        status, content=body.encode(), headers={"content-type": content_type} | _named(headers)
    )


def failure(status: int, reason: str, message: str, **details: Any) -> httpx.Response:
    """Return an error response with a `Status`."""
    return answer(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": status,
        },
        status,
    )


def page(*items: Any, token: str = "") -> httpx.Response:
    """Return one page of a list."""
    metadata = {"resourceVersion": "7"} | ({"continue": token} if token else {})
    return answer({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": list(items)})


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
