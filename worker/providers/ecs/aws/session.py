"""Opens the client library with its credentials, region, endpoint and timeouts."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiobotocore.utils import _RefCountedSession
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.utils import get_environ_proxies

from contracts import VERSION
from contracts.checks.json_limits import ANSWERS, check
from contracts.process.environment import ConfigurationError
from worker.providers.ecs.aws import credentials
from worker.providers.ecs.aws.credentials import Credentials, Unavailable
from worker.providers.ecs.settings import Settings

LONGEST_READ_S = 60
"""The longest wait for an answer, whatever the deadline."""

LONGEST_START_S = 60.0
"""The longest wait for credentials when a worker starts."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

VARIABLES = {
    "AWS_PROFILE": "profile",
    "AWS_CONFIG_FILE": "config_file",
    "AWS_SHARED_CREDENTIALS_FILE": "credentials_file",
    "AWS_CA_BUNDLE": "ca_bundle",
}
"""The variables that the client library reads, with its own names for them."""

NO_CREDENTIALS = (
    "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
    "AWS_PROFILE, or run where a role is attached (ECS task role, IRSA, EC2 instance profile)"
)


class SessionWithoutRedirections:
    """A session of aiohttp that follows no redirection.

    A redirected request would send its body with secrets and the session token to another host,
    and the fence is not checked before it.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> Any:
        """Send a request and return the answer."""
        return await self._session.request(method, **options, allow_redirects=False)


class Session(AIOHTTPSession):  # type: ignore[misc]  # the client library is not typed
    """The client library's HTTP session without redirections, with limits for answers."""

    async def send(self, request: Any) -> Any:
        """Send a request and return its answer; raises LimitExceeded."""
        response = await super().send(request)
        body = await response.content
        if not body.startswith(b"<"):  # XML, which its parser reads without recursion
            check(body, ANSWERS)
        return response

    async def _get_session(self, proxy_url: str | None) -> SessionWithoutRedirections:
        return SessionWithoutRedirections(await super()._get_session(proxy_url))


class EagerSession(Session):
    """A session that loads certificates when opened, because that is too slow for a request."""

    async def __aenter__(self) -> "EagerSession":
        await super().__aenter__()
        await self._get_session(None)
        return self


class Metadata(Session, _RefCountedSession):  # type: ignore[misc]  # the library is not typed
    """The session for the credentials of a container's or an instance's role; no redirections.

    The host that answers a redirected request would choose the account of the worker.
    """

    async def send(self, request: Any) -> Any:
        """Send a request and return its answer; raises LimitExceeded and Unavailable."""
        response = await super().send(request)
        if 300 <= response.status_code < 400:
            raise Unavailable(
                f"their source answered with a redirection (status {response.status_code}), "
                "which is not followed: expected the credentials themselves"
            )
        return response


class Chain(AioSession):  # type: ignore[misc]  # the client library is not typed
    """The client library's session, without redirections for a role's credentials either.

    Its clients for STS and SSO send the token that a role is assumed with. It prompts for no MFA
    code: a prompt would wait at a terminal and block the event loop.
    """

    def create_client(self, *service: Any, config: Any = None, **options: Any) -> Any:
        """Return a client, with a Session unless the configuration names another class."""
        if getattr(config, "http_session_cls", AIOHTTPSession) is AIOHTTPSession:
            config = AioConfig() if config is None else AioConfig().merge(config)
            config.http_session_cls = Session
        return super().create_client(*service, config=config, **options)

    async def reload_credentials(self) -> Any:
        """Return credentials or None, from providers without cached answers."""
        return await self._create_credential_resolver().load_credentials()

    def _create_credential_resolver(self) -> Any:
        resolver = super()._create_credential_resolver()
        # The library has no parameters for these.
        resolver.get_provider("assume-role")._prompter = _refuse_mfa
        container = resolver.get_provider("container-role")._fetcher
        container._session = Metadata(timeout=container.TIMEOUT_SECONDS)
        instance = resolver.get_provider("iam-role")._role_fetcher
        proxies = get_environ_proxies(instance._base_url)
        instance._session = Metadata(timeout=instance._timeout, proxies=proxies)
        return resolver


def _refuse_mfa(_prompt: str) -> str:
    raise Unavailable(
        "the profile has an mfa_serial, and a worker cannot enter an MFA code: "
        "expected a role that can be assumed without MFA"
    )


async def open_services(
    stack: AsyncExitStack,
    settings: Settings,
    environment: Mapping[str, str],
    names: Iterable[str],
    http: Callable[..., Any] | None = None,
) -> tuple[dict[str, Any], Credentials]:
    """Return the client library's clients by name, closed with the stack, and their credentials.

    `http` replaces the class of their HTTP sessions. Settings that are not in `environment` are
    looked up by the library as usual: in files, and in the role of a container or an instance.
    """
    try:
        chain = Chain()
        # First, because the library reads its files only once.
        for variable, name in VARIABLES.items():
            if value := environment.get(variable):
                chain.set_config_variable(name, value)
        chain.register_component("data_loader", _models(chain.get_config_variable("data_path")))
        session = aioboto3.Session(region_name=settings.ecs_region, botocore_session=chain)
        found = await _credentials(chain, environment)
        stack.push_async_callback(found.aclose)
        chain.register_component("credential_provider", FixedProvider(found))
        opened = {
            service: await stack.enter_async_context(
                session.client(
                    service,
                    endpoint_url=settings.ecs_endpoint,
                    # A plain connection needs no CA certificates.
                    verify=False if _is_plain(settings) else None,
                    config=_config(settings, http or _sessions(settings)),
                )
            )
            for service in names
        }
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        raise ConfigurationError(f"the AWS client cannot be configured: {error}") from error
    return opened, found


class FixedProvider:
    """A provider of credentials for the client library, which returns the given ones."""

    def __init__(self, found: Credentials) -> None:
        self._found = found

    async def load_credentials(self) -> Credentials:
        """Return the credentials."""
        return self._found


async def _credentials(chain: Chain, environment: Mapping[str, str]) -> Credentials:
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise ConfigurationError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: expected both or none, got one"
        )
    try:
        if key:
            given = AioCredentials(key, secret, environment.get("AWS_SESSION_TOKEN") or None)
            await (found := Credentials(given)).get_frozen_credentials()
            return found
        found_in_chain = await credentials.find(chain, LONGEST_START_S)
    except Unavailable as error:
        raise ConfigurationError(f"there are no AWS credentials to use: {error}") from error
    if found_in_chain is None:
        raise ConfigurationError(NO_CREDENTIALS)
    return found_in_chain


@cache
def _models(data_path: str | None) -> Any:
    """The client library's description of AWS, loaded once per process."""
    return create_loader(data_path)


def _is_plain(settings: Settings) -> bool:
    return (settings.ecs_endpoint or "").lower().startswith("http:")


def _sessions(settings: Settings) -> Callable[..., Any]:
    return Session if _is_plain(settings) else EagerSession


def _proxies(settings: Settings) -> dict[str, str] | None:
    """The proxies, None for those of the environment; loopback addresses are never proxied."""
    host = urlsplit(settings.ecs_endpoint or "").hostname
    return {} if host in LOOPBACK else None


def _config(settings: Settings, http: Callable[..., Any]) -> AioConfig:
    return AioConfig(
        http_session_cls=http,
        proxies=_proxies(settings),
        connect_timeout=settings.ecs_connect_timeout_ms / 1000,
        read_timeout=LONGEST_READ_S,
        # Reads and changes have separate limits of the same size.
        max_pool_connections=2 * settings.ecs_concurrency,
        # Retries are made by BoundClient, because each has to check the fence.
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=f"machinist/{VERSION}",
    )
