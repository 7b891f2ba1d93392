"""An ASGI client without a socket, which sends requests without normalising them."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from litestar.types import ASGIApp

ANSWER_S = 60


class Answer(msgspec.Struct):
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body as JSON."""
        return msgspec.json.decode(self.body)


class Client:
    """Sends targets and bodies unchanged, in the form in which uvicorn passes them on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def ask(
        self,
        method: str,
        target: str | bytes,
        body: bytes | None = None,
        *,
        content_type: str | None = "application/json",
        headers: Iterable[tuple[str, str]] = (),
        chunks: list[bytes] | None = None,
    ) -> Answer:
        """Send a request; `chunks` are a body without a content length."""
        sent = [("host", "gateway.test"), *headers]
        if body is not None or chunks is not None:
            sent += [("content-type", content_type)] if content_type is not None else []
        if body is not None:
            sent.append(("content-length", str(len(body))))
        raw = target if isinstance(target, bytes) else target.encode()
        scope = _scope(method, raw, [(k.encode(), v.encode("latin-1")) for k, v in sent])
        return await _ask(self._app, scope, [body or b""] if chunks is None else chunks)

    async def get(self, target: str | bytes, **more: Any) -> Answer:
        """Send a GET."""
        return await self.ask("GET", target, **more)

    async def send(self, method: str, target: str | bytes, value: Any, **more: Any) -> Answer:
        """Send a request with a value as its JSON body."""
        return await self.ask(method, target, msgspec.json.encode(value), **more)


def _scope(method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 3042),
        "state": {},
    }


async def _ask(app: ASGIApp, scope: dict[str, Any], chunks: list[bytes]) -> Answer:
    left = list(chunks)
    answer = Answer(0, {}, b"")

    async def receive() -> dict[str, Any]:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(event: Any) -> None:
        if event["type"] == "http.response.start":
            answer.status = event["status"]
            answer.headers |= {
                k.decode("latin-1"): v.decode("latin-1") for k, v in event["headers"]
            }
        else:
            answer.body += event.get("body", b"")

    async with asyncio.timeout(ANSWER_S):
        await app(cast(Any, scope), cast(Any, receive), cast(Any, send))
    return answer
