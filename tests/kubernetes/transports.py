"""Helpers for tests of the transport."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from worker.providers.k8s.api.transport import Transport


@asynccontextmanager
async def client(
    url: str,
    context: ssl.SSLContext | None = None,
    proxy: str | None = None,
    proxy_context: ssl.SSLContext | None = None,
    **more: float,
) -> AsyncIterator[httpx.AsyncClient]:
    """Open an httpx client with the transport; its timeout ends hanging tests."""
    made = Transport(
        context, proxy, idle_s=more.get("idle_s", 60), options=[], proxy_context=proxy_context
    )
    timeout = httpx.Timeout(more.get("seconds", 20), connect=more.get("connect", 20))
    async with httpx.AsyncClient(base_url=url, transport=made, timeout=timeout) as opened:
        yield opened


async def until(condition: Callable[[], object]) -> None:
    """Wait up to 60 s for a condition."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a number or list has no event
            await asyncio.sleep(0.001)
