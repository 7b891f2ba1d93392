"""Request bodies: read within a time limit and held in bounded memory until the response."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request

from contracts.faults import Code, Fault
from gateway.http.limits import Limits


class HeldBody:
    """The size of one body in memory, and the timeout for its arrival."""

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self.timeout = timeout
        self.size = 0
        self.is_evicted = False


class Bodies:
    """All request bodies in this process.

    If the memory is used up, the oldest incomplete body is evicted, so that slow uploads do not
    block other requests.
    """

    def __init__(self, limits: Limits) -> None:
        self._timeout_s = limits.body_s
        self._max_bytes = limits.held_bytes
        self._held = 0
        self._incomplete: dict[HeldBody, None] = {}

    @asynccontextmanager
    async def read(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """Read and hold a body; raise `request_timeout`, or `gateway_busy` if it was evicted.

        Litestar checks the size of a body.
        """
        held = HeldBody(asyncio.timeout(self._timeout_s))
        self._incomplete[held] = None
        try:
            yield await self._complete(request, held)
        finally:
            self._incomplete.pop(held, None)
            self._held -= held.size

    async def _complete(self, request: Request[Any, Any, Any], held: HeldBody) -> bytes:
        body = bytearray()
        try:
            async with held.timeout:
                async for chunk in request.stream():
                    body += chunk
                    self._add(held, len(chunk))
        except TimeoutError as error:
            if not held.timeout.expired():
                raise
            raise self._fault(held) from error
        self._incomplete.pop(held, None)
        if held.is_evicted:
            raise self._fault(held)
        return bytes(body)

    def _add(self, held: HeldBody, size: int) -> None:
        if held.is_evicted:
            return
        held.size += size
        self._held += size
        while self._held > self._max_bytes and self._incomplete:
            self._evict(next(iter(self._incomplete)))

    def _evict(self, oldest: HeldBody) -> None:
        del self._incomplete[oldest]
        self._held -= oldest.size
        oldest.size = 0
        oldest.is_evicted = True
        oldest.timeout.reschedule(asyncio.get_running_loop().time())

    def _fault(self, held: HeldBody) -> Fault:
        if held.is_evicted:
            return Fault(
                Code.GATEWAY_BUSY,
                f"the limit of {self._max_bytes} bytes for request bodies is reached, and this "
                "body was not complete yet",
            )
        return Fault(Code.REQUEST_TIMEOUT, f"expected the whole body within {self._timeout_s:g} s")
