"""The TLS listener: Hypercorn's protocols, with access to each connection.

Hypercorn's runner hides the connection, which is needed to cut it and to read the client's
certificate; therefore its TCPServer is used directly.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from deploy.sandbox.kubernetes.access import Identity

Application = Callable[..., Awaitable[None]]

_GOAWAY = bytes((0, 0, 8, 7, 0, 0, 0, 0, 0))
_NO_ERROR = bytes(4)


class Connection:
    """A client connection: the user in its certificate, and ways to end the connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.requests = 0
        self.draining = False
        self.certificate_user = _identity(writer.get_extra_info("peercert"))

    def cut(self) -> None:
        """Abort the connection, as a crashed server or a broken link does."""
        self._writer.transport.abort()

    def send_goaway(self) -> None:
        """Send GOAWAY: this HTTP/2 connection accepts no more requests."""
        self.draining = True
        # Clients number their streams 1, 3, 5 and so on.
        last_stream = (2 * self.requests - 1).to_bytes(4, "big")
        self._writer.write(_GOAWAY + last_stream + _NO_ERROR)


CONNECTION: ContextVar[Connection] = ContextVar("connection")


def _identity(certificate: dict[str, Any] | None) -> Identity | None:
    if not certificate:
        return None
    parts = [pair for group in certificate["subject"] for pair in group]
    names = [value for name, value in parts if name == "commonName"]
    groups = tuple(value for name, value in parts if name == "organizationName")
    return Identity(names[0], (*groups, "system:authenticated")) if names else None


def quiet_config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.loglevel = "CRITICAL"
    config.include_server_header = False
    config.keep_alive_timeout = 90
    # kube-apiserver keeps connections for as long as they are used.
    config.keep_alive_max_requests = 2**31
    # For long selectors and tokens: Go accepts 1 MiB of headers.
    config.h11_max_incomplete_size = 1024 * 1024
    config.max_app_queue_size = 1024
    return config


def bound(port: int) -> socket.socket:
    # IPPROTO_TCP is explicit, because asyncio sets TCP_NODELAY only on such sockets.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise
    return listening


class Connections(dict[asyncio.Task[Any], Connection]):
    """The open connections by the task that serves them."""

    def cut(self) -> None:
        for connection in list(self.values()):
            connection.cut()


@contextlib.asynccontextmanager
async def listening(
    application: Application, sock: socket.socket, tls: ssl.SSLContext
) -> AsyncIterator[Connections]:
    """Serve until the context ends, then close all connections."""
    loop = asyncio.get_running_loop()
    context, config = WorkerContext(None), quiet_config()
    wrapped = ASGIWrapper(application)
    connections = Connections()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        connection = Connection(writer)
        # Tasks that Hypercorn starts for this connection inherit the variable.
        CONNECTION.set(connection)
        if task is not None:
            connections[task] = connection
            task.add_done_callback(connections.pop)
        # Cancellation happens only at the end; asyncio would report it as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await TCPServer(wrapped, loop, config, context, {}, reader, writer)

    server = await asyncio.start_server(serve, sock=sock, ssl=tls, backlog=512)
    try:
        yield connections
    finally:
        await context.terminated.set()
        server.close()
        connections.cut()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
