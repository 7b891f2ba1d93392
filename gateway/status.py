"""What a gateway says of itself: whether it lives, whether it can serve, and who is attached."""

import asyncio
import time
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler

from contracts import VERSION
from contracts.broker.attendance import Announcement, Attendance, Seen
from contracts.broker.errors import BrokerError
from contracts.broker.link import Link

ASK_S = 0.9


def status_routes(link: Link, attendance: Attendance) -> list[HTTPRouteHandler]:
    """`/status` and `/ready`."""

    @get("/status")
    async def status() -> Response[bytes]:
        return _json({"status": "ok", "version": VERSION}, 200)

    @get("/ready")
    async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
        providers = await _providers(attendance) if link.is_up else {}
        broker = {
            "reachable": link.is_up,
            "since": _time(link.since),
            "reason": None if link.is_up else link.reason,
        }
        body = {
            "status": "ready" if link.is_up else "not ready",
            "version": VERSION,
            "broker": broker,
            "providers": providers,
        }
        return _json(body, 200 if link.is_up else 503)

    return [status, ready]


async def _providers(attendance: Attendance) -> dict[str, Any]:
    workers: dict[str, list[Announcement]] = {}
    for worker in attendance.workers():
        workers.setdefault(worker.provider, []).append(worker)
    try:
        async with asyncio.timeout(ASK_S):
            for name in {*workers, *attendance.providers()}:
                await attendance.consumers(name)
    except (BrokerError, TimeoutError):
        return {}
    return {
        name: _provider(seen, workers.get(name, []))
        for name, seen in attendance.providers().items()
    }


def _provider(seen: Seen, workers: list[Announcement]) -> dict[str, Any]:
    return {
        "attended": bool(seen.consumers),
        "consumers": seen.consumers or 0,
        "since": _time(seen.since),
        "workers": [
            {
                "worker": worker.worker,
                "version": worker.version,
                "since": _time(worker.since),
                "partitions": worker.partitions,
                "clockBehindSeconds": worker.clock_behind,
            }
            for worker in workers
        ],
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _json(body: dict[str, Any], status: int) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type=MediaType.JSON)
