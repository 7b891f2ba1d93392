"""A sandbox per test, and clients that trust it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox

Connect = Callable[..., httpx.AsyncClient]


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition, within a limit."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is in another thread or process
            await asyncio.sleep(0.01)


@pytest.fixture
async def sandbox() -> AsyncIterator[KubernetesSandbox]:
    async with KubernetesSandbox() as running:
        yield running


@pytest.fixture
async def connect(sandbox: KubernetesSandbox) -> AsyncIterator[Connect]:
    clients: list[httpx.AsyncClient] = []

    def client(token: str | None = None, http2: bool = False) -> httpx.AsyncClient:
        made = httpx.AsyncClient(
            base_url=sandbox.url,
            verify=sandbox.trust(),
            headers={"authorization": f"Bearer {token or sandbox.token}"},
            http2=http2,
        )
        clients.append(made)
        return made

    yield client
    for made in clients:
        await made.aclose()


@pytest.fixture
def api(connect: Connect) -> httpx.AsyncClient:
    return connect()
