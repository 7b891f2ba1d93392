"""A light HTTP load generator: many persistent connections with one request in flight each.

It also loads an API server itself: with the TLS context and the credentials of a worker.
"""

import asyncio
import itertools
import re
import ssl
import time
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from contracts.process.environment import load
from tests.bench.loads.measure import Job, Measurement, Tally, main
from worker.providers.k8s.api.credentials import Token, Trust
from worker.providers.k8s.settings import Settings

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
LAST_CHUNK = b"\r\n0\r\n\r\n"
STATUS = slice(9, 12)
LAST_RESPONSE_S = 60


class Connection(asyncio.Protocol):
    """Sends the next request when the response to the previous one is complete."""

    def __init__(self, requests: list[bytes], steps: int, tally: Tally) -> None:
        """A round trip is this number of steps, requests that follow each other."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = itertools.cycle(requests)
        self._steps = steps
        self._tally = tally
        self._buffer = bytearray()
        self._end: int | None = None
        self._is_chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the first round trip."""
        self._transport = cast(asyncio.Transport, transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Receive a part of a response."""
        self._buffer += data
        if self._end is None and not self._is_chunked:
            self._read_head()
        if not self._is_complete():
            return
        status = self._buffer[STATUS].decode()
        self._left -= 1
        if status == "200" and self._left:
            self._send()
            return
        self._tally.record(time.perf_counter() - self._began, None if status == "200" else status)
        if self._tally.over:
            self._transport.close()
        else:
            self._begin()

    def connection_lost(self, error: Exception | None) -> None:
        """Count the loss of the connection as a failure during the measurement."""
        if not self._tally.over:
            self._tally.record(0, "connection lost")
        if not self.closed.done():
            self.closed.set_result(None)

    def _read_head(self) -> None:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end]
        self._is_chunked = CHUNKED.search(head) is not None
        length = LENGTH.search(head)
        self._end = end + len(HEAD_END) + (int(length[1]) if length else 0)

    def _is_complete(self) -> bool:
        if self._is_chunked:
            return self._buffer.endswith(LAST_CHUNK)
        return self._end is not None and len(self._buffer) >= self._end

    def _begin(self) -> None:
        self._left = self._steps
        self._began = time.perf_counter()
        self._send()

    def _send(self) -> None:
        self._buffer.clear()
        self._end, self._is_chunked = None, False
        self._transport.write(next(self._requests))


def _identity(connection: Connection) -> Connection:
    return connection


class Server:
    """The address, the TLS context and the header lines of the server under load."""

    def __init__(self, job: Job) -> None:
        self.context: ssl.SSLContext | None = None
        self._lines = ""
        where = f"//{job.where}"
        if job.api_server:
            settings = load(Settings, job.api_server)
            self.context = Trust(settings).context
            where = settings.k8s_rest_api_url
            if settings.k8s_auth_type == "token":
                token = Token(settings.k8s_token_path).text()
                self._lines = f"authorization: Bearer {token}\r\n"
        parts = urlsplit(where)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._prefix = parts.path

    def request(self, text: str) -> bytes:
        """Return a request with the path prefix and the credentials of the server."""
        method, _, rest = text.partition(" ")
        first, _, others = rest.partition("\r\n")
        return f"{method} {self._prefix}{first}\r\n{self._lines}{others}".encode()


async def run(job: Job) -> Measurement:
    """Send requests until the measurement is over."""
    server = Server(job)
    tally = Tally()
    connections = [
        Connection([server.request(text) for text in texts], job.steps, tally)
        for texts in itertools.islice(itertools.cycle(job.requests), job.at_once)
    ]
    loop = asyncio.get_running_loop()
    for connection in connections:
        protocol = partial(_identity, connection)
        await loop.create_connection(protocol, server.host, server.port, ssl=server.context)
    measured = await tally.measured(job)
    await asyncio.wait([connection.closed for connection in connections], timeout=LAST_RESPONSE_S)
    measured.in_all = tally.in_all
    return measured


if __name__ == "__main__":
    main(run)
