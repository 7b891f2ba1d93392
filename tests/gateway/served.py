"""Runs an application behind the gateway's own HTTP server, and talks to it in bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.server import OnRawPath, http_server, listener

TALK_S = 10


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, but not for ever."""
    async with asyncio.timeout(TALK_S):
        while not condition():  # noqa: ASYNC110 - uvicorn has an attribute and no event for it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(app: OnRawPath) -> AsyncIterator[int]:
    """Serve the application on a port of loopback."""
    async with asyncio.TaskGroup() as group:
        server = http_server(app)
        listening = listener("127.0.0.1", 0)
        group.create_task(server.serve([listening]))
        await until(lambda: server.started)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True


async def exchange(port: int, *parts: bytes) -> bytes:
    """Send bytes and read until the server hangs up."""
    async with asyncio.timeout(TALK_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
        finally:
            writer.close()


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """A request after which the server hangs up."""
    head = b"\r\n".join([line, b"host: gateway.test", b"connection: close", *headers])
    return head + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    """The status of the first response."""
    return int(answer.split(b" ", 2)[1])
