"""Writes what a connection sends in one go where the library writes frame by frame.

Each write is a system call here and a wake-up of the connection's reader at the broker.
"""

import asyncio
import time
from typing import Any

import aio_pika
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

TURNS = 4
"""How many turns of the loop a frame waits for others: some 20 µs each where nothing else runs."""

MOST_BYTES = 65_536


class GatheringWriter(asyncio.StreamWriter):
    """A writer that passes on what was written in a few turns of the loop together."""

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        reader: asyncio.StreamReader,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(transport, protocol, reader, loop)
        self._soon = loop.call_soon
        self._gathered: list[bytes | bytearray | memoryview] = []
        self._bytes = 0
        self._turns_left = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write soon."""
        self._gathered.append(data)
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            self.flush()
        elif not self._turns_left:
            self._turns_left = TURNS
            self._soon(self._turn)

    async def drain(self) -> None:
        """Write now, and wait while the peer takes no more."""
        self.flush()
        await super().drain()

    def write_eof(self) -> None:
        """Write now, and no more."""
        self.flush()
        super().write_eof()

    def close(self) -> None:
        """Write now, and close."""
        self.flush()
        super().close()

    def flush(self) -> None:
        """Write now."""
        if self._gathered:
            gathered, self._gathered, self._bytes = self._gathered, [], 0
            super().write(b"".join(gathered))

    def _turn(self) -> None:
        self._turns_left -= 1
        if self._turns_left:
            self._soon(self._turn)
        else:
            self.flush()


class TimedProtocol(asyncio.StreamReaderProtocol):
    """A reading protocol that knows when the peer's last bytes came."""

    heard_at = float("-inf")

    def data_received(self, data: bytes) -> None:
        """Take in bytes of the peer."""
        self.heard_at = time.monotonic()
        super().data_received(data)


class Gathering(TransportFactory):
    """Opens a TCP connection, with TLS for amqps, that is written to through a gathering writer."""

    def __init__(self) -> None:
        self._protocol: TimedProtocol | None = None

    def heard_at(self) -> float:
        """Return when the broker's last bytes came, on the monotonic clock."""
        return float("-inf") if self._protocol is None else self._protocol.heard_at

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The two ends of a connection; raises AMQPConnectionError."""
        contexts = kwargs.pop("ssl_context_provider")
        context = await contexts.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = self._protocol = TimedProtocol(reader, loop=loop)
        try:
            where = kwargs | {"host": url.host, "port": url.port}
            transport, _ = await loop.create_connection(lambda: protocol, ssl=context, **where)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, GatheringWriter(transport, protocol, reader, loop)


class GatheredConnection(aio_pika.Connection):
    """The library's connection, which has no argument for the transport of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gathering = Gathering()
        self.kwargs["transport_factory"] = self.gathering

    def __del__(self) -> None:
        """Nothing is left to close: whoever opens a connection closes it.

        The library begins to close here one that never came about, in whichever thread it is
        collected, and without a loop in that thread Python warns of it.
        """
