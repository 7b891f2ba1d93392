"""A light HTTP load generator: many persistent connections with one request in flight each."""

import asyncio
import itertools
import re
import time
from functools import partial
from typing import cast

from tests.bench.measure import Job, Measurement, Tally, main

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
STATUS = slice(9, 12)
LAST_RESPONSE_S = 5


class Connection(asyncio.Protocol):
    """Sends the next request when the response to the previous one is complete."""

    def __init__(self, requests: list[bytes], tally: Tally) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = itertools.cycle(requests)
        self._tally = tally
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Receive a part of a response."""
        self._buffer += data
        head, ended, body = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not ended or (length and len(body) < int(length[1])):
            return
        status = self._buffer[STATUS].decode()
        self._tally.record(time.perf_counter() - self._began, None if status == "200" else status)
        if self._tally.over or not length:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Count the loss of the connection as a failure during the measurement."""
        if not self._tally.over:
            self._tally.record(0, "connection lost")
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._buffer = b""
        self._began = time.perf_counter()
        self._transport.write(next(self._requests))


def _identity(connection: Connection) -> Connection:
    return connection


async def run(job: Job) -> Measurement:
    """Send requests to the server at `job.where`, given as host:port."""
    host, port = job.where.split(":")
    tally = Tally()
    connections = [
        Connection([text.encode() for text in texts], tally)
        for texts in itertools.islice(itertools.cycle(job.requests), job.at_once)
    ]
    loop = asyncio.get_running_loop()
    for connection in connections:
        await loop.create_connection(partial(_identity, connection), host, int(port))
    measured = await tally.measured(job)
    await asyncio.wait([connection.closed for connection in connections], timeout=LAST_RESPONSE_S)
    return measured


if __name__ == "__main__":
    main(run)
