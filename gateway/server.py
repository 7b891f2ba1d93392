"""The HTTP server: uvicorn, its socket, and routing on the raw path."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from contracts.environment import ConfigurationError, shown
from gateway.connections import Connections
from gateway.limits import BACKLOG, DEFAULT, Limits
from gateway.protocol import BoundedProtocol
from gateway.tls.certificates import Contexts
from gateway.tls.connection import TlsConnection

STOP_S = 35


class OnRawPath:
    """An ASGI application that routes on the raw path: names are decoded after the split.

    RFC 3986 §2.4: if the path were decoded first, `a%2Fb` would name another resource.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == ScopeType.HTTP:
            path = scope["raw_path"].decode("latin-1")
            # The router drops empty segments and would serve another resource.
            scope["path"] = "/" if "//" in path else path
            if scope["method"] == HttpMethod.HEAD:
                send = _without_body(send)
        await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    """Send the response head only; its `content-length` stays that of the GET."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


class Server(uvicorn.Server):
    """Uvicorn without signal handlers, which would raise the signal again after the stop."""

    def __init__(
        self, config: uvicorn.Config, connections: Connections, tls: Contexts | None
    ) -> None:
        super().__init__(config)
        self._clients = connections
        self._tls = tls

    async def on_tick(self, counter: int) -> bool:
        """Close overdue connections; uvicorn calls this ten times per second."""
        self._clients.sweep()
        if self._tls is not None:
            self._tls.current()  # report a changed certificate before the next connection
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


def http_server(app: OnRawPath, limits: Limits = DEFAULT, tls: Contexts | None = None) -> Server:
    """Return the HTTP server of the application, with or without TLS."""
    connections = Connections(limits, time.monotonic)
    protocol: Callable[..., asyncio.Protocol] = partial(BoundedProtocol, connections)
    if tls is not None:
        protocol = partial(TlsConnection, tls, connections, partial(BoundedProtocol, connections))
    return Server(
        uvicorn.Config(
            app,
            http=cast(type[asyncio.Protocol], protocol),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Uvicorn would read the client's address from X-Forwarded-For, which any client on
            # loopback, and with FORWARDED_ALLOW_IPS=* any client at all, could forge.
            proxy_headers=False,
            backlog=limits.backlog,
            timeout_graceful_shutdown=STOP_S,
        ),
        connections,
        tls,
    )


def listener(host: str, port: int) -> socket.socket:
    """Return a listening socket on the configured address; opened before anything starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"PLT_HOST={shown(host)}, PLT_PORT={port}: expected an address of this machine and a "
            f"free port: {error}"
        ) from error
