"""The composition root of a gateway: everything it consists of is put together here."""

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import uvicorn
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from contracts.broker.attendance import Attendance
from contracts.broker.link import Link
from contracts.environment import ConfigurationError
from contracts.faults import Fault
from contracts.seal import Seals
from gateway.documentation import documentation_routes
from gateway.problems import on_exception, on_fault, on_http_error
from gateway.routes import Caller, routes
from gateway.rpc import Rpc
from gateway.settings import Settings
from gateway.status import status_routes

log = logging.getLogger(__name__)

Work = Coroutine[Any, Any, None]

BACKLOG = 2048
STOP_S = 35
KEEP_ALIVE_S = 75


def application(
    rpc: Caller, link: Link, attendance: Attendance, max_body_bytes: int
) -> "OnRawPath":
    """The ASGI application."""
    app = Litestar(
        route_handlers=[
            *routes(rpc),
            *status_routes(link, attendance),
            *documentation_routes(),
        ],
        exception_handlers={
            Fault: on_fault,
            HTTPException: on_http_error,
            Exception: on_exception,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=max_body_bytes,
    )
    return OnRawPath(app)


class OnRawPath:
    """Routes on the path as it was sent, so that a name is decoded after the path was split.

    RFC 3986 §2.4: decoding first would let `a%2Fb` name another resource than it says.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == ScopeType.HTTP:
            path = scope["raw_path"].decode("latin-1")
            # The router would fold an empty segment away and serve another resource.
            scope["path"] = "/" if "//" in path else path
        await self._app(scope, receive, send)


class WholeTarget(HttpToolsProtocol):
    """Refuses a target with a `#`, which RFC 9112 does not allow and httptools would cut off there.

    Clients that put names into paths unescaped would act on another resource than they named.
    """

    def on_url(self, url: bytes) -> None:
        """Take in a part of the request's target."""
        if b"#" in url:
            raise ValueError("the target has a fragment")
        super().on_url(url)


class Server(uvicorn.Server):
    """Uvicorn, stopped by whoever runs it: its own handlers would raise the signal once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def http_server(app: OnRawPath) -> Server:
    """What speaks HTTP in front of the application."""
    return Server(
        uvicorn.Config(
            app,
            http=WholeTarget,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
        )
    )


def listener(host: str, port: int) -> socket.socket:
    """A socket on the configured address, taken before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"PLT_HOST={host!r}, PLT_PORT={port}: expected an address of this machine and a port "
            f"that is free: {error}"
        ) from error


async def serve(settings: Settings) -> None:
    """Run a gateway until it is told to stop; requests under way are finished first."""
    name = uuid4().hex[:12]
    link = Link(settings.amqp_url, f"machinist gateway {name}")
    attendance = Attendance(settings.expected_providers())
    rpc = Rpc(
        name,
        link,
        attendance,
        Seals.from_text(settings.seal_key),
        deadlines_ms=settings.deadlines(),
        in_flight=settings.in_flight,
    )
    app = application(rpc, link, attendance, settings.max_body_bytes)
    server = http_server(app)
    listening = listener(settings.host, settings.port)
    log.info("listening on http://%s:%d", settings.host, listening.getsockname()[1])
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    await _beside(link.run(rpc.session), server.serve([listening]))


async def _beside(background: Work, foreground: Work) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(background)
        await foreground
        task.cancel()
