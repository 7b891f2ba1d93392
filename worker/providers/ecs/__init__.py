"""AWS ECS as a platform: scopes are clusters, machines are tasks, controllers are services."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.providers.ecs.provider import EcsProvider


@asynccontextmanager
async def open_provider(environment: Mapping[str, str]) -> AsyncIterator["EcsProvider"]:
    """Open a provider for the region in an environment, until the context is left."""
    # Imported here, because AWS's client library is large and other platforms do not need it.
    from contracts.process.environment import load
    from worker.providers.ecs.aws.client import connect
    from worker.providers.ecs.provider import EcsProvider
    from worker.providers.ecs.settings import Settings
    from worker.shared_reads import Limits, shared_reads

    settings = load(Settings, environment)
    async with (
        connect(settings, environment) as client,
        shared_reads(Limits(settings.ecs_cache_seconds)) as shared,
    ):
        yield EcsProvider(client, shared)
