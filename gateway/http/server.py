"""The HTTP server: uvicorn, its socket, and routing on the raw path.

Granian 2.8 needs 57 µs of CPU for a small response, uvicorn 102 to 123 µs (an application without
work, 64 connections, runs in turns). But it has no options that limit the time in which a body
arrives or a client reads a response.
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from contracts.process.environment import ConfigurationError, shown
from gateway.http.closing import backlog_of
from gateway.http.connections import Connections
from gateway.http.draining import Draining
from gateway.http.limits import BACKLOG, DEFAULT, Limits
from gateway.http.protocol import BoundedProtocol
from gateway.tls.certificates import Contexts
from gateway.tls.connection import TlsConnection

log = logging.getLogger(__name__)

STOP_S = 35.0
TICK_S = 0.1
NOWHERE = "/-"
"""A path without a route."""


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
            scope["path"] = NOWHERE if "//" in path else path
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
    """Uvicorn with a drain, and a stop in which no request is lost that has arrived.

    Uvicorn's own signal handlers would raise the signal again after the stop.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        draining: Draining,
        stop_s: float,
        tls: Contexts | None,
    ) -> None:
        """`stop_s` limits the time of requests that are under way when the drain is over."""
        super().__init__(config)
        self._clients = connections
        self._draining = draining
        self._stop_s = stop_s
        self._tls = tls

    def signalled(self, number: int) -> None:
        """Drain; a second signal ends the drain, and SIGINT after its end all requests."""
        if self._draining.is_over and number == signal.SIGINT:
            self.force_exit = True
        self._draining.signalled()
        log.info("%s: %s", signal.Signals(number).name, self._draining.summary)
        self._announce_close()

    async def on_tick(self, counter: int) -> bool:
        """Close overdue connections; uvicorn calls this ten times per second."""
        self._clients.sweep()
        if self._tls is not None:
            self._tls.current()  # report a changed certificate before the next connection
        return await super().on_tick(counter) or self._draining.is_over

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and finish the requests that have arrived."""
        self._announce_close()
        accepting = self._stop_listening(sockets or [])
        until = time.monotonic() + self._stop_s
        open_now, tasks = self.server_state.connections, self.server_state.tasks
        await asyncio.sleep(TICK_S)  # an accepted connection is not in `connections` at once
        while (open_now or tasks) and not self.force_exit and time.monotonic() < until:
            for connection in list(open_now):
                connection.shutdown()
            self._clients.sweep()
            await asyncio.sleep(TICK_S)
        if open_now or tasks:
            await self._cut()
        for task in accepting:
            task.cancel()
        await asyncio.gather(*accepting, return_exceptions=True)

    def _stop_listening(self, sockets: list[socket.socket]) -> list[asyncio.Task[Any]]:
        """Close the listening sockets; return tasks that serve the connections of their backlogs.

        The system would reset these connections: it has established them, and the event loop has
        not accepted them yet.
        """
        listening = [each.dup() for each in sockets]
        for server in self.servers:
            server.close()
        for each in sockets:
            each.close()
        loop = asyncio.get_running_loop()
        protocol = partial(
            cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=loop,
        )
        return [
            loop.create_task(loop.connect_accepted_socket(protocol, each, ssl=self.config.ssl))
            for each in backlog_of(listening, self.config.backlog)
        ]

    async def _cut(self) -> None:
        """End all connections and requests."""
        connections, tasks = self.server_state.connections, list(self.server_state.tasks)
        log.warning("the stop cuts %d connections, %d requests", len(connections), len(tasks))
        for connection in list(connections):
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _announce_close(self) -> None:
        self._clients.is_draining = True
        for connection in list(self.server_state.connections):
            cast(BoundedProtocol, connection).announce_close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


def http_server(
    app: OnRawPath,
    limits: Limits = DEFAULT,
    draining: Draining | None = None,
    stop_s: float = STOP_S,
    tls: Contexts | None = None,
) -> Server:
    """Return the HTTP server of the application, with or without TLS.

    Without `draining` it stops at once.
    """
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
        ),
        connections,
        draining or Draining(),
        stop_s,
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
