"""An ASGI application that keeps the scopes of requests, and returns their bodies."""

from typing import Any

from litestar.types import Receive, Scope, Send


class Echo:
    """The application; `large` replaces the body of every response."""

    def __init__(self, large: bytes = b"") -> None:
        self.scopes: list[Scope] = []
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            event: Any = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        body = self._large or body
        length = (b"content-length", b"%d" % len(body))
        start: Any = {"type": "http.response.start", "status": 200, "headers": [length]}
        await send(start)
        end: Any = {"type": "http.response.body", "body": body}
        await send(end)

    @property
    def tls(self) -> dict[str, Any]:
        """The TLS extension of the last request."""
        scope: Any = self.scopes[-1]
        found: dict[str, Any] = scope["extensions"]["tls"]
        return found
