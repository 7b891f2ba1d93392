"""A TCP server that answers requests with raw bytes, or breaks connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Behaviour = Callable[["RawServer", Reader, Writer], Awaitable[None]]


class RawServer:
    """Records the requests as bytes and the number of connections."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def receive(self, reader: Reader) -> bytes:
        """Read and record one request."""
        request = await reader.readuntil(b"\r\n\r\n")
        for line in request.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                request += await reader.readexactly(int(line.partition(b":")[2]))
        self.requests.append(request)
        return request


async def answering(server: RawServer, reader: Reader, writer: Writer) -> None:
    """Answer every request of a connection."""
    while True:
        await server.receive(reader)
        writer.write(OK)


def answering_once(last: bytes | None) -> Behaviour:
    """Answer the first request of a connection; answer the second with `last` and close it."""

    async def behave(server: RawServer, reader: Reader, writer: Writer) -> None:
        await server.receive(reader)
        writer.write(OK)
        await server.receive(reader)
        if last is not None:
            writer.write(last)

    return behave


def responding(answer: bytes) -> Behaviour:
    """Read a request, write `answer` and close the connection."""

    async def behave(server: RawServer, reader: Reader, writer: Writer) -> None:
        await server.receive(reader)
        writer.write(answer)

    return behave


async def resetting(server: RawServer, reader: Reader, writer: Writer) -> None:
    """Read a request and reset the connection."""
    await server.receive(reader)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def closing(server: RawServer, reader: Reader, writer: Writer) -> None:
    """Close the connection before reading."""


async def unsolicited(server: RawServer, reader: Reader, writer: Writer) -> None:
    """Send a response without a request."""
    writer.write(OK)
    await reader.read(1)


async def silent(server: RawServer, reader: Reader, writer: Writer) -> None:
    """Read everything and never answer."""
    while await reader.read(65536):
        pass


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[RawServer]:
    """Run a server with one behaviour for every connection."""
    served = RawServer()

    async def serve(reader: Reader, writer: Writer) -> None:
        served.connections += 1
        try:
            await behave(served, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
        server.close()
