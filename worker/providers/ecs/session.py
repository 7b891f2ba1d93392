"""Opens the client library: whose credentials, which region and endpoint, which timeouts."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from contracts import VERSION
from contracts.environment import ConfigurationError
from worker.providers.ecs.settings import Settings

LONGEST_READ_S = 60
"""An answer that takes longer is lost, whatever the deadline."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

VARIABLES = {
    "AWS_PROFILE": "profile",
    "AWS_CONFIG_FILE": "config_file",
    "AWS_SHARED_CREDENTIALS_FILE": "credentials_file",
    "AWS_CA_BUNDLE": "ca_bundle",
}
"""What the client library reads of the process's environment, by its own names."""

NO_CREDENTIALS = (
    "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
    "AWS_PROFILE, or run where a role is attached (ECS task role, IRSA, EC2 instance profile)"
)


class Warm(AIOHTTPSession):  # type: ignore[misc]  # the client library is not typed
    """Loads certificates when it is opened: that takes longer than a request may wait for it."""

    async def __aenter__(self) -> "Warm":
        await super().__aenter__()
        await self._get_session(None)
        return self


async def open_services(
    stack: AsyncExitStack,
    settings: Settings,
    environment: Mapping[str, str],
    names: Iterable[str],
    http: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """The client library's clients by name, closed with the stack.

    `http` replaces what makes the sessions that send their requests. What is not in `environment`
    the library looks for where it always does: files, roles of a container or an instance.
    """
    try:
        session = await _session(settings, environment)
        return {
            name: await stack.enter_async_context(
                session.client(
                    name,
                    endpoint_url=settings.ecs_endpoint,
                    config=_config(settings, http or _sessions(settings)),
                )
            )
            for name in names
        }
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        raise ConfigurationError(f"AWS cannot be used like this: {error}") from error


async def _session(settings: Settings, environment: Mapping[str, str]) -> aioboto3.Session:
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise ConfigurationError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: expected both or none, got one"
        )
    chain = get_session()
    for variable, name in VARIABLES.items():
        if value := environment.get(variable):
            chain.set_config_variable(name, value)
    session = aioboto3.Session(
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        aws_session_token=environment.get("AWS_SESSION_TOKEN") if key else None,
        region_name=settings.ecs_region,
        botocore_session=chain,
    )
    credentials = await session.get_credentials()
    if credentials is None:
        raise ConfigurationError(NO_CREDENTIALS)
    await credentials.get_frozen_credentials()
    return session


def _sessions(settings: Settings) -> Callable[..., Any]:
    plain = (settings.ecs_endpoint or "").startswith("http:")
    return AIOHTTPSession if plain else Warm


def _proxies(settings: Settings) -> dict[str, str] | None:
    """None leaves it to the environment; what is on this machine is never asked through a proxy."""
    host = urlsplit(settings.ecs_endpoint or "").hostname
    return {} if host in LOOPBACK else None


def _config(settings: Settings, http: Callable[..., Any]) -> AioConfig:
    return AioConfig(
        http_session_cls=http,
        proxies=_proxies(settings),
        connect_timeout=settings.ecs_connect_timeout_ms / 1000,
        read_timeout=LONGEST_READ_S,
        # As many may read, and as many change something.
        max_pool_connections=2 * settings.ecs_concurrency,
        # The repeats are ours: each has to ask whether the run still goes on.
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=f"machinist/{VERSION}",
    )
