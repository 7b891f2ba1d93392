"""The HTTP server of metrics and probes, in the event loop of the process that it observes.

Apart from the loop it shares nothing with the process's other work: its own socket, its own limits.
A connection serves one request and has a time limit, and at the limit of connections the oldest one
is closed, so that slow scrapers never keep a probe waiting.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from prometheus_client.exposition import choose_encoder
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from contracts.observation.registry import Registry
from contracts.process.environment import ConfigurationError, MetricsPort, shown

log = logging.getLogger(__name__)

ERRORS = log.getChild("errors")
"""The logger of uvicorn's protocol, which would warn of every request that it cannot read."""
ERRORS.setLevel(logging.ERROR)

DEFAULT_PORT = 9090
BACKLOG = 64

OPEN_METRICS = "application/openmetrics-text"
TEXT = "text/plain"
ACCEPTS = {OPEN_METRICS: f"{OPEN_METRICS}; version=1.0.0", TEXT: TEXT}
"""The header `Accept` that selects each format in prometheus_client: the version of a client's own
header would be repeated in the response."""

Unready = Callable[[], str | None]
"""Returns the reason why the process is not ready, None while it is ready."""

Response = tuple[int, str, bytes]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on clients. Scrapes within `fresh_s` share one text: their number costs no CPU."""

    connections: int = 64
    connection_s: float = 10.0
    request_bytes: int = 16 * 1024
    fresh_s: float = 1.0


DEFAULT_LIMITS = Limits()


def metrics_listener(host: str, port: MetricsPort | None) -> socket.socket | None:
    """Return a listening socket, None if metrics are not served.

    Without a port the default port is used, unless it is in use: several processes may run on one
    machine. Raises ConfigurationError if the process cannot listen on the configured address.
    """
    if port == "off":
        return None
    number = DEFAULT_PORT if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, number), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        if port is None and isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            log.warning("metrics are not served: %s; set PLT_METRICS_PORT", error)
            return None
        raise ConfigurationError(
            f"PLT_METRICS_HOST={shown(host)}, PLT_METRICS_PORT={number}: expected an address of "
            f"this machine and a free port: {error}"
        ) from error


@asynccontextmanager
async def exporter(
    listening: socket.socket | None,
    registry: Registry,
    unready: Unready,
    limits: Limits = DEFAULT_LIMITS,
) -> AsyncIterator[None]:
    """Serve `/metrics`, `/live` and `/ready` until the context is left, if there is a socket."""
    if listening is None:
        yield
        return
    host, port = listening.getsockname()[:2]
    log.info("metrics on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)
    with ThreadPoolExecutor(1, "metrics") as thread:
        application = Application(registry, unready, thread, limits.fresh_s)
        async with _served(application, listening, limits):
            yield


class Application:
    """The responses, as an ASGI application."""

    def __init__(
        self, registry: Registry, unready: Unready, thread: ThreadPoolExecutor, fresh_s: float
    ) -> None:
        """`thread` makes the texts: that of a large registry would delay the event loop."""
        self._fresh_s = fresh_s
        self._registry = registry
        self._unready = unready
        self._thread = thread
        self._making = asyncio.Lock()
        self._made: dict[str, tuple[float, str, bytes]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        status, media_type, body = await self._response(scope)
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _response(self, scope: Any) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, TEXT, b"expected GET or HEAD"
        match scope["path"]:
            case "/live":
                return 200, TEXT, b"OK"
            case "/ready":
                return self._ready()
            case "/metrics":
                return await self._metrics(_format(scope["headers"]))
            case _:
                return 404, TEXT, b"expected /metrics, /live or /ready"

    def _ready(self) -> Response:
        reason = self._unready()
        body = {"status": "ready"} if reason is None else {"status": "not ready", "reason": reason}
        return 200 if reason is None else 503, "application/json", msgspec.json.encode(body)

    async def _metrics(self, media_type: str) -> Response:
        loop = asyncio.get_running_loop()
        async with self._making:
            made = self._made.get(media_type)
            if made is None or loop.time() - made[0] >= self._fresh_s:
                encode, content_type = choose_encoder(ACCEPTS[media_type])
                self._registry.sample()
                text = await loop.run_in_executor(self._thread, encode, self._registry)
                made = self._made[media_type] = loop.time(), content_type, text
        return 200, *made[1:]


def _format(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the first format of the headers `Accept` that exists, by default the text format."""
    accepted = b",".join(value for name, value in headers if name == b"accept").decode("latin-1")
    wanted = (part.partition(";")[0].strip() for part in accepted.split(","))
    return next((each for each in wanted if each in ACCEPTS), TEXT)


class _Connection(HttpToolsProtocol):
    """A connection with limits on its life and on the received bytes."""

    def __init__(
        self, connections: dict["_Connection", None], limits: Limits, **uvicorn: Any
    ) -> None:
        super().__init__(**uvicorn)
        self.logger = ERRORS
        self._limits = limits
        self._open = connections
        self._received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._end = self.loop.call_later(self._limits.connection_s, transport.abort)
        if len(self._open) >= self._limits.connections:
            next(iter(self._open)).cut()
        self._open[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        self._open.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._limits.request_bytes:
            self.transport.abort()
        elif not self.transport.is_closing():
            super().data_received(data)

    def cut(self) -> None:
        """Close the connection at once."""
        self._open.pop(self, None)
        self.transport.abort()


@asynccontextmanager
async def _served(
    application: Application, listening: socket.socket, limits: Limits
) -> AsyncIterator[None]:
    """Serve the application with uvicorn's protocol; its server would install signal handlers."""
    config = uvicorn.Config(
        application,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    connections: dict[_Connection, None] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(
            connections, limits, config=config, server_state=state, app_state={}, _loop=loop
        ),
        sock=listening,
    )
    try:
        yield
    finally:
        server.close()
        for connection in list(connections):
            connection.cut()
        await asyncio.gather(*state.tasks)
