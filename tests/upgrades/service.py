"""A stand-in for a Kubernetes Service and its clients.

Probes decide which endpoints get new connections, and clients learn of a change late. A connection
that exists stays with its endpoint, whatever its readiness, until one of the two closes it, as it
does behind kube-proxy. Clients keep connections alive, and never repeat a request.
"""

import asyncio
import itertools
import json
import select
from collections import Counter
from typing import Any, Self

from msgspec import Struct

PROBE_S = 0.2
PROPAGATION_S = 0.6
"""The time from a probe's result to the routing of new connections."""

TIMEOUT_S = 60.0


class Failed(Exception):
    """A request without a response."""


class Answer(Struct, frozen=True):
    """A response; `port` is the endpoint that sent it."""

    status: int
    body: bytes
    is_last: bool
    port: int

    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """Endpoints by readiness."""

    def __init__(self) -> None:
        self._endpoints: dict[int, bool] = {}
        self._turn = itertools.count()
        self.retired: set[int] = set()
        self.connections: Counter[int] = Counter()
        """The open connections of clients by endpoint."""
        self.routed: list[int] = []
        """The endpoints that get new connections."""
        self.has_endpoints = asyncio.Event()

    def add(self, port: int) -> None:
        """Add an endpoint; it gets connections once it is ready."""
        self._endpoints[port] = False

    def retire(self, port: int) -> None:
        """Remove an endpoint whose connections clients close after their present request.

        Ingress controllers do so with a removed endpoint. A version without a drain needs it.
        """
        self.retired.add(port)
        self._endpoints.pop(port, None)
        self.routed = [each for each in self.routed if each != port]

    def endpoint(self) -> int:
        """Return the endpoint for a new connection, round robin."""
        if not self.routed:
            raise Failed("the service has no endpoint")
        return self.routed[next(self._turn) % len(self.routed)]

    async def run(self) -> None:
        """Probe all endpoints at intervals, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for port in list(self._endpoints):
                    group.create_task(self._probe(port))
                await asyncio.sleep(PROBE_S)

    async def _probe(self, port: int) -> None:
        try:
            async with Connection(port) as connection:
                is_ready = (await connection.exchange("GET", "/ready")).status == 200
        except (OSError, Failed):
            is_ready = False
        if port in self._endpoints and is_ready != self._endpoints[port]:
            self._endpoints[port] = is_ready
            await asyncio.sleep(PROPAGATION_S)
            self.routed = [port for port, is_ready in self._endpoints.items() if is_ready]
            if self.routed:
                self.has_endpoints.set()


class Connection:
    """An HTTP/1.1 connection to an endpoint."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def is_closed(self) -> bool:
        """Tell whether the server has closed the idle connection."""
        arrived = select.poll()
        arrived.register(self._writer.get_extra_info("socket").fileno(), select.POLLIN)
        return self._reader.at_eof() or bool(arrived.poll(0))

    async def exchange(self, method: str, target: str, body: bytes = b"") -> Answer:
        """Send a request and return the response; raises Failed and OSError."""
        head = (
            f"{method} {target} HTTP/1.1\r\nhost: gateway.test\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        async with asyncio.timeout(TIMEOUT_S):
            self._writer.write(head.encode() + body)
            try:
                received = await self._reader.readuntil(b"\r\n\r\n")
                lines = received.decode().lower().split("\r\n")
                fields = dict(line.split(": ", 1) for line in lines[1:] if line)
                content = await self._reader.readexactly(int(fields["content-length"]))
            except asyncio.IncompleteReadError as error:
                raise Failed(f"closed after {error.partial!r:.80}") from error
        status = int(lines[0].split()[1])
        return Answer(status, content, fields.get("connection") == "close", self.port)


class Client:
    """A client of a service with one connection at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection: Connection | None = None

    async def request(self, method: str, target: str, body: bytes = b"") -> Answer:
        """Send a request once; raises Failed with the endpoint and the reason."""
        connection = await self._open()
        try:
            answer = await connection.exchange(method, target, body)
        except (OSError, Failed, TimeoutError) as error:
            await self.close()
            raise Failed(f"{method} {target} to port {connection.port}: {error!r}") from error
        if answer.is_last:
            await self.close()
        return answer

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.__aexit__()
            self._service.connections[self._connection.port] -= 1
            self._connection = None

    async def _open(self) -> Connection:
        if self._connection is not None:
            is_retired = self._connection.port in self._service.retired
            if is_retired or self._connection.is_closed():
                await self.close()
        if self._connection is None:
            connection = Connection(self._service.endpoint())
            try:
                await connection.__aenter__()
            except OSError as error:
                raise Failed(f"port {connection.port}: {error!r}") from error
            self._connection = connection
            self._service.connections[connection.port] += 1
        return self._connection
