"""Providers that open quickly: those of equal connections share the client library's clients.

A new session of the client library and its seven clients cost 50 ms of CPU time, and the first
request of each client costs more than the following ones. Caches of a provider are not shared.
`ecs.open_provider` itself is tested in tests/ecs/aws.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from contracts.process.environment import load
from worker.providers.ecs.aws.client import SERVICES, Client
from worker.providers.ecs.aws.credentials import Credentials
from worker.providers.ecs.aws.session import open_services
from worker.providers.ecs.provider import EcsProvider
from worker.providers.ecs.settings import Settings

SCRYPT_COST = 2
"""The least cost: a hash with the cost of a worker takes 60 ms of CPU time."""

Made = tuple[dict[str, Any], Credentials]
Connection = tuple[Settings, str, str]

FREE: dict[Connection, list[Made]] = {}
"""The clients that no provider uses at present."""


@asynccontextmanager
async def open_provider(environment: Mapping[str, str]) -> AsyncIterator[EcsProvider]:
    """Open a provider with empty caches for an environment with an access key."""
    async with open_client(environment) as client:
        yield EcsProvider(client, scrypt_cost=SCRYPT_COST)


@asynccontextmanager
async def open_client(environment: Mapping[str, str]) -> AsyncIterator[Client]:
    """Open a client for an environment with an access key."""
    settings = load(Settings, environment)
    key = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    free = FREE.setdefault((_connection(settings), *key), [])
    services, credentials = made = free.pop() if free else await _made(*key, settings)
    async with AsyncExitStack() as stack:
        for service in services.values():
            await stack.enter_async_context(service)
        yield Client(settings, services, credentials)
    # Leaving a client closes its connections; it can be entered again, in another event loop, too.
    free.append(made)


def _connection(settings: Settings) -> Settings:
    """Return the settings that the clients are made with, and the defaults of all others."""
    return Settings(
        settings.ecs_region,
        ecs_endpoint=settings.ecs_endpoint,
        ecs_concurrency=settings.ecs_concurrency,
        ecs_connect_timeout_ms=settings.ecs_connect_timeout_ms,
    )


async def _made(key: str, secret: str, settings: Settings) -> Made:
    environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    async with AsyncExitStack() as stack:
        return await open_services(stack, _connection(settings), environment, SERVICES.values())
