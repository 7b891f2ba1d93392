"""Gateways in this process, over the memory provider or over Kubernetes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from contracts.seal import Seals
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.gateway.client import Client
from tests.gateway.served import served
from tests.loopback import Loopback, gateway_over
from tests.memory import MemoryProvider
from worker.dispatch import Dispatch
from worker.providers import k8s

KEYS = Seals([bytes(32)])


@pytest.fixture
def memory() -> MemoryProvider:
    return MemoryProvider()


@pytest.fixture
def loopback(memory: MemoryProvider) -> Loopback:
    return Loopback(Dispatch("memory", memory, KEYS), seals=KEYS, expected=["absent"])


@pytest.fixture
def client(loopback: Loopback) -> Client:
    """A client of a gateway with the provider `memory`, and `absent`, which has no worker."""
    return Client(gateway_over(loopback))


@pytest.fixture
async def served_memory(loopback: Loopback) -> AsyncIterator[int]:
    """The port of the same gateway behind its real HTTP server."""
    async with served(gateway_over(loopback)) as port:
        yield port


@asynccontextmanager
async def over_kubernetes(sandbox: KubernetesSandbox) -> AsyncIterator[Loopback]:
    """A loopback with the real provider `k8s`, attached to the sandbox."""
    async with k8s.open_provider(sandbox.environment | {"PLT_K8S_INFORMERS": "false"}) as provider:
        yield Loopback(Dispatch("k8s", provider, Seals([])))


@pytest.fixture
async def kubernetes(sandbox: KubernetesSandbox) -> AsyncIterator[Client]:
    """A client of a gateway over Kubernetes."""
    async with over_kubernetes(sandbox) as loopback:
        yield Client(gateway_over(loopback))


@pytest.fixture
def untouched(sandbox: KubernetesSandbox, kubernetes: Client) -> Iterator[Client]:
    """The same client; the test fails if a request reaches the platform."""
    yield kubernetes
    assert not list(sandbox.calls)
