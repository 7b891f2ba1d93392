"""The composition root of a gateway."""

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import uuid4

from litestar import Litestar
from litestar.exceptions import HTTPException

from contracts.broker.attendance import Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Fault
from contracts.observation import traces
from contracts.observation.broker import watch_connections
from contracts.observation.exporter import exporter, metrics_listener
from contracts.observation.registry import Registry
from contracts.process import garbage
from contracts.seal import Seals
from contracts.secrecy import OPEN_WITHOUT_KEY
from gateway.calls.checks import Checks
from gateway.calls.known_versions import KnownVersions
from gateway.documentation.routes import documentation_routes
from gateway.http.bodies import Bodies
from gateway.http.draining import Draining, not_ready
from gateway.http.limits import DEFAULT, Limits
from gateway.http.methods import options_routes
from gateway.http.server import OnRawPath, Server, http_server, listener
from gateway.identity.configuration import check_exposure, guard_of
from gateway.identity.guard import Guard
from gateway.metrics import Measured, Metrics
from gateway.observed import Observed
from gateway.page.page import Page
from gateway.page.routes import page_routes
from gateway.problems import on_exception, on_fault, on_http_error
from gateway.recorder.recorder import Recorder
from gateway.routes import Caller, routes
from gateway.rpc import Rpc
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

RECORD_S = 3.0
"""The time at the stop for records that are being published."""

Work = Coroutine[Any, Any, None]


def application(
    rpc: Caller,
    link: ReconnectingConnection,
    attendance: Attendance,
    checks: Checks,
    max_body_bytes: int,
    limits: Limits = DEFAULT,
    draining: Draining | None = None,
    *,
    guard: Guard | None = None,
    metrics: Metrics | None = None,
    access_log: bool = False,
    page: Page | None = None,
) -> OnRawPath:
    """Return the ASGI application; without a guard everyone may do everything.

    Requests are traced if the process has a tracer. Without `page` the live page has no data.
    """
    guard, draining = guard or Guard(), draining or Draining()
    page = page or Page("", link, link, attendance, draining, checks.missing, tuple)
    handlers = [
        *routes(rpc, Bodies(limits), guard),
        *status_routes(link, attendance, checks.missing, draining, guard),
        *documentation_routes(guard),
        *page_routes(page, guard),
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
    is_observed = access_log or traces.tracer() is not None
    observed = Observed(app, access_log=access_log) if is_observed else app
    return OnRawPath(observed if metrics is None else Measured(observed, metrics))


async def serve(settings: Settings) -> None:
    """Run a gateway until SIGTERM or SIGINT; then drain, and finish the requests under way."""
    name = uuid4().hex[:12]
    seals = Seals(settings.seal_key)
    link = ReconnectingConnection(settings.amqp_url, f"machinist gateway {name}")
    attendance = Attendance(settings.expected_providers())
    checks = Checks(attendance)
    recorder_link = ReconnectingConnection(settings.amqp_url, f"machinist gateway {name} recorder")
    page_link = ReconnectingConnection(settings.amqp_url, f"machinist gateway {name} page")
    registry = Registry("gateway")
    watch_connections(registry, {"requests": link, "recorder": recorder_link})
    metrics = Metrics(registry, attendance)
    recorder = Recorder(seals, recorder_link, metrics.audit)
    rpc = Rpc(
        name,
        link,
        attendance,
        seals,
        deadlines_ms=settings.deadlines(),
        in_flight=settings.in_flight,
        on_refused=recorder.record_refusal,
        checks=checks,
        known=KnownVersions(),
    )
    guard = guard_of(settings, recorder.record)
    limits, draining = settings.limits(), Draining(settings.drain_seconds)
    metrics.watch(rpc.waiting, settings.in_flight)
    page = Page(
        name,
        link,
        page_link,
        attendance,
        draining,
        checks.missing,
        rpc.pending,
        metrics.query_counts,
    )
    app = application(
        rpc,
        link,
        attendance,
        checks,
        settings.max_body_bytes,
        limits,
        draining,
        guard=guard,
        metrics=metrics,
        access_log=settings.access_log,
        page=page,
    )
    tls = contexts(settings.tls_files())
    server = http_server(app, limits, draining, settings.stop_s(), tls)
    listening = listener(settings.host, settings.port)
    check_exposure(settings, listening)
    observed = metrics_listener(settings.metrics_host, settings.metrics_port)
    if limits.connections < settings.connections:
        log.warning(FEW_DESCRIPTORS, settings.connections, limits.connections)
    if not seals.can_seal:
        log.warning(UNSEALED, " and ".join(OPEN_WITHOUT_KEY))
    scheme = "http" if tls is None else "https"
    log.info("listening on %s://%s:%d", scheme, settings.host, listening.getsockname()[1])
    garbage.configure()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.signalled, number)

    unready = partial(not_ready, draining, link)
    async with exporter(observed, registry, unready):
        foreground = _served(server, listening, recorder)
        await _beside(foreground, link.run(rpc.session), recorder.run(), guard.run(), page.run())


async def _served(server: Server, listening: socket.socket, recorder: Recorder) -> None:
    """Serve until the stop, then publish the records under way."""
    await server.serve([listening])
    await recorder.finish(RECORD_S)


async def _beside(foreground: Work, *background: Work) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in background]
        await foreground
        for task in tasks:
            task.cancel()
