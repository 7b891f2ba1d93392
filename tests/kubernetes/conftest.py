"""Fixtures: a stand-in cluster that is empty at the start of each test, and its provider."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider


@pytest.fixture(scope="session")
def api_server() -> Iterator[KubernetesSandbox]:
    with KubernetesSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def cluster(api_server: KubernetesSandbox) -> Iterator[KubernetesSandbox]:
    """The cluster, which gives a provider exactly the rights of the shipped Role."""
    api_server.reset()
    yield api_server
    assert api_server.denials == []


@pytest.fixture
def environment(cluster: KubernetesSandbox) -> dict[str, str]:
    """The environment variables of a worker for this cluster.

    Without informers each operation makes the same requests, whatever was asked before.
    """
    return cluster.environment | {"PLT_K8S_INFORMERS": "false"}


@pytest.fixture
async def provider(environment: dict[str, str]) -> AsyncIterator[KubernetesProvider]:
    """A provider with empty caches."""
    async with k8s.open_provider(environment) as opened:
        yield opened


@pytest.fixture
def call() -> Callable[[], Call]:
    """A factory of calls with an ample deadline."""
    return ample
