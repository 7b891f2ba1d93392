"""The bodies of requests: read in time, and held in bounded memory until they are answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request

from contracts.faults import Code, Fault
from gateway.limits import Limits


class Held:
    """The bytes of one body, and the time until which it has to be complete."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self.limit = limit
        self.size = 0
        self.is_evicted = False


class Bodies:
    """All bodies in this process.

    Where there is no room for more, the body that has been incomplete for longest goes: one that
    comes slowly must not keep others out.
    """

    def __init__(self, limits: Limits) -> None:
        self._within_s = limits.body_s
        self._most = limits.held_bytes
        self._held = 0
        self._incomplete: dict[Held, None] = {}

    @asynccontextmanager
    async def read(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """Hold the body of a request; raises `request_timeout`, or `gateway_busy` for want of room.

        Litestar checks its size.
        """
        held = Held(asyncio.timeout(self._within_s))
        self._incomplete[held] = None
        try:
            yield await self._complete(request, held)
        finally:
            self._incomplete.pop(held, None)
            self._held -= held.size

    async def _complete(self, request: Request[Any, Any, Any], held: Held) -> bytes:
        body = bytearray()
        try:
            async with held.limit:
                async for chunk in request.stream():
                    body += chunk
                    self._add(held, len(chunk))
        except TimeoutError as error:
            if not held.limit.expired():
                raise
            raise self._too_late(held) from error
        self._incomplete.pop(held, None)
        if held.is_evicted:
            raise self._too_late(held)
        return bytes(body)

    def _add(self, held: Held, size: int) -> None:
        if held.is_evicted:
            return
        held.size += size
        self._held += size
        while self._held > self._most and self._incomplete:
            self._evict(next(iter(self._incomplete)))

    def _evict(self, oldest: Held) -> None:
        del self._incomplete[oldest]
        self._held -= oldest.size
        oldest.size = 0
        oldest.is_evicted = True
        oldest.limit.reschedule(asyncio.get_running_loop().time())

    def _too_late(self, held: Held) -> Fault:
        if held.is_evicted:
            return Fault(
                Code.GATEWAY_BUSY,
                f"the bodies under way have {self._most} bytes already, and this one was not "
                "complete yet",
            )
        return Fault(Code.REQUEST_TIMEOUT, f"expected the whole body within {self._within_s:g} s")
