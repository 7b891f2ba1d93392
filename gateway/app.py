"""The composition root of a gateway."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

from litestar import Litestar
from litestar.exceptions import HTTPException

from contracts.broker.attendance import Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Fault
from contracts.seal import Seals
from contracts.secrecy import OPEN_WITHOUT_KEY
from gateway.bodies import Bodies
from gateway.checks import Checks
from gateway.documentation import documentation_routes
from gateway.limits import DEFAULT, Limits
from gateway.methods import options_routes
from gateway.problems import on_exception, on_fault, on_http_error
from gateway.recorder.recorder import Recorder
from gateway.routes import Caller, routes
from gateway.rpc import Rpc
from gateway.server import OnRawPath, http_server, listener
from gateway.settings import Settings
from gateway.status import status_routes
from gateway.tls.certificates import contexts

log = logging.getLogger(__name__)

UNSEALED = (
    "PLT_SEAL_KEY is not set: the bodies of %s are not sealed, so their environment variables are "
    "readable in queues and in the audit; secrets and pull secrets are refused. Set it to the "
    "Base64 of 32 random bytes (openssl rand -base64 32), the same for gateways and workers"
)

FEW_DESCRIPTORS = (
    "PLT_CONNECTIONS=%d exceeds the file descriptors of this process: at most %d connections are "
    "kept; raise the hard limit of open files (ulimit -Hn, LimitNOFILE=)"
)

Work = Coroutine[Any, Any, None]


def application(
    rpc: Caller,
    link: ReconnectingConnection,
    attendance: Attendance,
    checks: Checks,
    max_body_bytes: int,
    limits: Limits = DEFAULT,
) -> OnRawPath:
    """Return the ASGI application."""
    handlers = [
        *routes(rpc, Bodies(limits)),
        *status_routes(link, attendance, checks.missing),
        *documentation_routes(),
    ]
    app = Litestar(
        # OPTIONS first: Litestar adds its own OPTIONS to a path that has none yet.
        route_handlers=[*options_routes(handlers), *handlers],
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


async def serve(settings: Settings) -> None:
    """Run a gateway until SIGTERM or SIGINT; requests under way are finished first."""
    name = uuid4().hex[:12]
    seals = Seals(settings.seal_key)
    link = ReconnectingConnection(settings.amqp_url, f"machinist gateway {name}")
    attendance = Attendance(settings.expected_providers())
    checks = Checks(attendance)
    recorder = Recorder(
        seals, ReconnectingConnection(settings.amqp_url, f"machinist gateway {name} recorder")
    )
    rpc = Rpc(
        name,
        link,
        attendance,
        seals,
        deadlines_ms=settings.deadlines(),
        in_flight=settings.in_flight,
        on_refused=recorder.record_refusal,
        checks=checks,
    )
    limits = settings.limits()
    app = application(rpc, link, attendance, checks, settings.max_body_bytes, limits)
    tls = contexts(settings.tls_files())
    server = http_server(app, limits, tls)
    listening = listener(settings.host, settings.port)
    if limits.connections < settings.connections:
        log.warning(FEW_DESCRIPTORS, settings.connections, limits.connections)
    if not seals.can_seal:
        log.warning(UNSEALED, " and ".join(OPEN_WITHOUT_KEY))
    scheme = "http" if tls is None else "https"
    log.info("listening on %s://%s:%d", scheme, settings.host, listening.getsockname()[1])
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    await _beside(server.serve([listening]), link.run(rpc.session), recorder.run())


async def _beside(foreground: Work, *background: Work) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in background]
        await foreground
        for task in tasks:
            task.cancel()
