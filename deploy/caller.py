"""Environment variables that `deploy/up` passes to its processes, and the gateway's address."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from contracts.address import is_provider_name
from contracts.process.environment import ConfigurationError, Host, load, shown, shown_path
from contracts.process.environment import Port as Number
from deploy.ports import LOOPBACK, Port
from deploy.targets import Target
from gateway.settings import Auth
from worker.providers import PROVIDERS

PREFIXES = ("PLT_", "AWS_")
NAME = "PLT_PROVIDER_NAME"
TOKEN = "PLT_TOKEN"
FIRST_PORT = 3042
TLS = ("PLT_TLS_CERT", "PLT_TLS_KEY", "PLT_TLS_CLIENT_CA")
WILDCARDS = {"0.0.0.0": LOOPBACK, "::": "::1"}
"""Addresses of all interfaces, with the loopback address to connect to."""


class ListenSettings(Struct, frozen=True):
    """The variables of the gateway's listening address, and the token of `deploy/up` for it."""

    host: Host = LOOPBACK
    port: Number | None = None
    auth: Auth = "none"
    token: str = ""


class GatewayAddress(NamedTuple):
    """The address of the gateway, with its port reserved, and a token for requests to it."""

    host: str
    port: Port
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the requests of `deploy/up`."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def url(self) -> str:
        """The URL of the gateway for clients on this machine."""
        host = WILDCARDS.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port.number}"


def reserve_address(environ: Mapping[str, str], port: int | None) -> GatewayAddress:
    """Reserve the port of the command line or of PLT_PORT, else the first free port from 3042.

    Raises Failed if the port is in use, and ConfigurationError for a wrong variable.
    """
    for name in TLS:
        if environ.get(name):
            raise ConfigurationError(
                f"{name}={shown_path(environ[name])}: expected no value, because deploy/up sends "
                "its requests without TLS; `python -m gateway` starts a gateway with TLS"
            )
    settings = load(ListenSettings, environ)
    if settings.auth != "none" and not settings.token:
        raise ConfigurationError(
            f"{TOKEN} is not set: expected a token for the requests of deploy/up, because "
            f"PLT_AUTH={settings.auth}"
        )
    number = settings.port if port is None else port
    if number == 0:
        return GatewayAddress(settings.host, Port.any_free(), settings.token)
    candidates = range(FIRST_PORT, FIRST_PORT + 100) if number is None else [number]
    first_free = Port.first_free(candidates, settings.host)
    return GatewayAddress(settings.host, first_free, settings.token)


def base_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for every process: those without a prefix of machinist or AWS."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIXES)}


def common_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for gateways and workers, without those of any platform.

    A gateway thus receives no credentials of a platform, and no token of a client.
    """
    prefixes = (TOKEN, *(prefix for platform in PROVIDERS for prefix in _prefixes(platform)))
    return {name: value for name, value in environ.items() if not name.startswith(prefixes)}


def worker_variables(environ: Mapping[str, str], target: Target) -> dict[str, str]:
    """Return the variables for the workers of a target, whose own variables take precedence.

    Workers of a sandbox get no AWS variables, which name an account and contain credentials.
    """
    prefixes = _prefixes(target.platform)
    if target.is_sandbox:
        prefixes = tuple(prefix for prefix in prefixes if prefix.startswith("PLT_"))
    own = {name: value for name, value in environ.items() if name.startswith(prefixes)}
    return common_variables(environ) | own | dict(target.environment)


def overridden(environ: Mapping[str, str], targets: Iterable[Target]) -> list[str]:
    """Return the names of the caller's variables that a target's own variables override."""
    return sorted(
        name
        for name, value in environ.items()
        if value
        and name.startswith("PLT_")
        and (values := {each.environment[name] for each in targets if name in each.environment})
        and value not in values
    )


def provider_name(environ: Mapping[str, str], platforms: Sequence[str]) -> str | None:
    """Return the provider name of PLT_PROVIDER_NAME, which requires one platform, or None."""
    name = environ.get(NAME)
    if not name:
        return None
    if len(platforms) != 1:
        raise ConfigurationError(
            f"{NAME}={shown(name)}: expected no name when workers of several platforms are "
            f"started ({' and '.join(platforms)}); --kubeconfig or --aws "
            "alone starts those of one platform"
        )
    if not is_provider_name(name):
        raise ConfigurationError(
            f"{NAME}={shown(name)}: expected at most 32 lower-case letters, digits and '-', "
            "beginning with a letter, and no reserved word of paths or queues"
        )
    return name


def _prefixes(platform: str) -> tuple[str, ...]:
    """Return the prefixes of the variables that only workers of this platform read."""
    own = f"PLT_{platform.upper()}_"
    return (own, "AWS_") if platform == "ecs" else (own,)
