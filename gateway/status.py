"""Liveness and readiness of a gateway, with the attached workers."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from contracts import VERSION
from contracts.broker.attendance import Attendance
from contracts.broker.errors import BrokerError
from contracts.broker.reconnecting import ReconnectingConnection
from gateway.http.draining import Draining
from gateway.http.methods import READ
from gateway.identity.guard import Guard
from gateway.provider_status import provider_status, timestamp

ATTENDANCE_S = 0.9


def status_routes(
    link: ReconnectingConnection,
    attendance: Attendance,
    missing: Callable[[], list[str]],
    draining: Draining,
    guard: Guard,
) -> list[HTTPRouteHandler]:
    """Return `/status` and `/ready`; `missing` returns the missing queues and bindings.

    `/ready` names providers, workers and parts of the broker, so it is for known subjects.
    """

    @route("/status", http_method=READ, status_code=200)
    async def status() -> Response[bytes]:
        return _json({"status": "ok", "version": VERSION}, 200)

    @route("/ready", http_method=READ, status_code=200)
    async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
        await guard.admit_to_pages(request)
        providers = await _providers(attendance) if link.is_up else {}
        lacking = _missing(missing(), attendance) if link.is_up else []
        status = ("degraded" if lacking else "ready") if link.is_up else "not ready"
        if draining.is_begun:
            status = "draining"
        broker = {
            "reachable": link.is_up,
            "since": timestamp(link.since),
            "reason": None if link.is_up else link.reason,
            "missing": lacking,
        }
        body = {
            "status": status,
            "version": VERSION,
            "broker": broker,
            "providers": providers,
        }
        return _json(body, 200 if link.is_up and not draining.is_begun else 503)

    return [status, ready]


def _missing(own: list[str], attendance: Attendance) -> list[str]:
    """Return the missing queues and bindings of this gateway and all workers, without repeats."""
    workers = [
        each
        for provider in attendance.providers()
        for worker in attendance.workers(provider)
        for each in worker.missing
    ]
    return list(dict.fromkeys([*own, *workers]))


async def _providers(attendance: Attendance) -> dict[str, Any]:
    try:
        async with asyncio.timeout(ATTENDANCE_S):
            return {
                name: provider_status(await attendance.is_attended(name), attendance.workers(name))
                for name in attendance.providers()
            }
    except (BrokerError, TimeoutError):
        return {}


def _json(body: dict[str, Any], status: int) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type=MediaType.JSON)
