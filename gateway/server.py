"""HTTP in front of the application: the server, its socket, and the path as it was sent."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from contracts.environment import ConfigurationError

BACKLOG = 2048
STOP_S = 35
KEEP_ALIVE_S = 75


class OnRawPath:
    """Routes on the path as it was sent, so that a name is decoded after the path was split.

    RFC 3986 §2.4: decoding first would let `a%2Fb` name another resource than it says.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == ScopeType.HTTP:
            path = scope["raw_path"].decode("latin-1")
            # The router would fold an empty segment away and serve another resource.
            scope["path"] = "/" if "//" in path else path
            if scope["method"] == HttpMethod.HEAD:
                send = _without_body(send)
        await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    """Send an answer's head alone; its `content-length` stays that of the answer to a GET."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


class WholeTarget(HttpToolsProtocol):
    """Refuses a target with a `#`, which RFC 9112 does not allow and httptools would cut off there.

    Clients that put names into paths unescaped would act on another resource than they named.
    """

    def on_url(self, url: bytes) -> None:
        """Take in a part of the request's target."""
        if b"#" in url:
            raise ValueError("the target has a fragment")
        super().on_url(url)


class Server(uvicorn.Server):
    """Uvicorn, stopped by whoever runs it: its own handlers would raise the signal once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def http_server(app: OnRawPath) -> Server:
    """What speaks HTTP in front of the application."""
    return Server(
        uvicorn.Config(
            app,
            http=WholeTarget,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Uvicorn would take the client's address from X-Forwarded-For, which any client on
            # loopback, and with FORWARDED_ALLOW_IPS=* any client at all, could then make up.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
        )
    )


def listener(host: str, port: int) -> socket.socket:
    """A socket on the configured address, taken before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"PLT_HOST={host!r}, PLT_PORT={port}: expected an address of this machine and a port "
            f"that is free: {error}"
        ) from error
