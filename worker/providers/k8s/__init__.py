"""The Kubernetes provider: scopes are namespaces, machines are pods."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from contracts.process.environment import load
from worker.providers.k8s.api.client import connect
from worker.providers.k8s.informers.in_use import informers
from worker.providers.k8s.provider import KubernetesProvider
from worker.providers.k8s.settings import Settings


@asynccontextmanager
async def open_provider(environment: Mapping[str, str]) -> AsyncIterator[KubernetesProvider]:
    """Open a provider for the API server that the environment configures."""
    settings = load(Settings, environment)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(settings, environment=environment))
        used = (
            await stack.enter_async_context(informers(client)) if settings.k8s_informers else None
        )
        yield KubernetesProvider(client, settings.gateways(), used)
