"""Runs an application behind the gateway's HTTP server; exchanges raw bytes with it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from gateway.http.draining import Draining
from gateway.http.limits import DEFAULT, Limits
from gateway.http.server import STOP_S, OnRawPath, Server, http_server, listener
from gateway.tls.certificates import Contexts

TIMEOUT_S = 60


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, at most `TIMEOUT_S`."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - uvicorn sets an attribute, not an event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(app: OnRawPath, limits: Limits = DEFAULT) -> AsyncIterator[int]:
    """Serve the application on a loopback port."""
    async with serving(app, limits) as (port, _):
        yield port


@asynccontextmanager
async def serving(
    app: OnRawPath,
    limits: Limits = DEFAULT,
    draining: Draining | None = None,
    stop_s: float = STOP_S,
    tls: Contexts | None = None,
) -> AsyncIterator[tuple[int, Server]]:
    """Serve the application; yield its port and the server."""
    async with asyncio.TaskGroup() as group:
        server = http_server(app, limits, draining, stop_s, tls)
        listening = listener("127.0.0.1", 0)
        group.create_task(server.serve([listening]))
        await until(lambda: server.started)
        try:
            yield listening.getsockname()[1], server
        finally:
            server.should_exit = True


async def exchange(port: int, *parts: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes and read until the server closes the connection."""
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
        finally:
            writer.close()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until its socket is closed."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request after which the server closes the connection."""
    head = b"\r\n".join([line, b"host: gateway.test", b"connection: close", *headers])
    return head + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    """Return the status of the first response."""
    return int(answer.split(b" ", 2)[1])
