"""Fixtures: a client of the stand-in whose worker may watch, and a running informer of pods."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from contracts.process.environment import load
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes.transports import until
from worker.providers.k8s.api.client import Client, connect
from worker.providers.k8s.informers.informer import Informer
from worker.providers.k8s.informers.watching import Source
from worker.providers.k8s.kinds import PODS
from worker.providers.k8s.objects import ListOf, Pod
from worker.providers.k8s.settings import Settings

PODS_OF_DEFAULT = Source(PODS, "default", Pod, ListOf[Pod])

Running = Callable[..., AbstractAsyncContextManager[Informer[Pod]]]


class Clock:
    """A monotonic clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
async def closed_connections() -> AsyncIterator[None]:
    """Wait for the end of connections that were being opened when an informer was stopped.

    asyncio completes the TLS handshake of a cancelled connection attempt before it closes.
    """
    yield
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # no other access
    await until(lambda: len(selector.get_map()) == 1)  # the loop's own pipe


@pytest.fixture
def environment(cluster: KubernetesSandbox) -> dict[str, str]:
    """The environment variables of a worker with informers."""
    return cluster.environment


def connected(environment: dict[str, str]) -> AbstractAsyncContextManager[Client]:
    return connect(load(Settings, environment), environment=environment)


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[Client]:
    async with connected(environment) as opened:
        yield opened


@pytest.fixture
def running(client: Client) -> Running:
    """Run an informer of the pods in the namespace `default`."""

    @asynccontextmanager
    async def run(of: Client = client, **more: Any) -> AsyncIterator[Informer[Pod]]:
        informer = Informer(of, PODS_OF_DEFAULT, **more)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


def watches(cluster: KubernetesSandbox) -> int:
    """Return the number of watches that were requested."""
    return sum("watch=true" in call.query for call in cluster.calls)


async def watching(cluster: KubernetesSandbox, informer: Informer[Pod]) -> None:
    """Wait until the watch of an informer is open, and shows the changes after its list.

    The number of requests does not tell: it can include one that the last test cancelled.
    """
    await until(lambda: informer.is_trusted)
    cluster.add_pod("shown")
    await until(lambda: informer.store.get("shown"))
    cluster.remove("pods", "shown")
    await until(lambda: informer.store.get("shown") is None)


def lists(cluster: KubernetesSandbox) -> int:
    """Return the number of lists that were requested."""
    return sum("limit=100" in call.query for call in cluster.calls)
