"""What `deploy/up` passes on of its caller's variables, to which process, and where it listens."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from contracts.address import is_provider_name
from contracts.environment import ConfigurationError, load, shown
from contracts.environment import Port as Number
from deploy.attached import Attached
from deploy.ports import LOOPBACK, Port
from gateway.settings import Host
from worker.providers import PROVIDERS

OURS = ("PLT_", "AWS_")
NAME = "PLT_PROVIDER_NAME"
FIRST_PORT = 3042
EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}


class Listening(Struct, frozen=True):
    """The variables that say where the gateway listens."""

    host: Host = LOOPBACK
    port: Number | None = None


class Place(NamedTuple):
    """The address of the gateway, with its port reserved."""

    host: str
    port: Port

    @property
    def url(self) -> str:
        """A URL that leads to it from this machine."""
        host = EVERYWHERE.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port.number}"


def place(environ: Mapping[str, str], port: int | None) -> Place:
    """Reserve the port of the command line or of PLT_PORT, else the first free one.

    Raises Failed where it is taken, and ConfigurationError for a wrong variable.
    """
    asked = load(Listening, environ)
    number = asked.port if port is None else port
    if number == 0:
        return Place(asked.host, Port.any_free())
    wanted = range(FIRST_PORT, FIRST_PORT + 100) if number is None else [number]
    return Place(asked.host, Port.first_free(wanted, asked.host))


def plain(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that have nothing to do with machinist, for all processes."""
    return {name: value for name, value in environ.items() if not name.startswith(OURS)}


def common(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of gateways and workers: a gateway holds no credentials of a platform."""
    prefixes = tuple(prefix for platform in PROVIDERS for prefix in _prefixes(platform))
    return {name: value for name, value in environ.items() if not name.startswith(prefixes)}


def of_workers(environ: Mapping[str, str], platform: Attached) -> dict[str, str]:
    """The variables of a platform's workers; those that attach them to it count more.

    A stand-in gets none of AWS's variables: they name an account, and there are credentials in
    them.
    """
    prefixes = _prefixes(platform.platform)
    if platform.planted:
        prefixes = tuple(prefix for prefix in prefixes if prefix.startswith("PLT_"))
    own = {name: value for name, value in environ.items() if name.startswith(prefixes)}
    return common(environ) | own | dict(platform.environment)


def unused(environ: Mapping[str, str], platforms: Iterable[Attached]) -> list[str]:
    """The caller's variables that have another value, since the workers are attached elsewhere."""
    return sorted(
        name
        for name, value in environ.items()
        if value
        and name.startswith("PLT_")
        and (values := {each.environment[name] for each in platforms if name in each.environment})
        and value not in values
    )


def named(environ: Mapping[str, str], platforms: list[Attached]) -> list[Attached]:
    """The platforms under the names of their providers, of which PLT_PROVIDER_NAME gives one."""
    name = environ.get(NAME)
    if not name:
        return platforms
    if len(platforms) != 1:
        raise ConfigurationError(
            f"{NAME}={shown(name)}: expected it unset, since workers of "
            f"{' and '.join(each.platform for each in platforms)} are started (--kubeconfig or "
            "--aws alone attaches those of one platform)"
        )
    if not is_provider_name(name):
        raise ConfigurationError(
            f"{NAME}={shown(name)}: expected at most 32 lower-case letters, digits and '-', "
            "beginning with a letter, and no word that paths or queues are named by"
        )
    return [each.under(name) for each in platforms]


def _prefixes(platform: str) -> tuple[str, ...]:
    """How the variables begin that mean something to the workers of a platform alone."""
    own = f"PLT_{platform.upper()}_"
    return (own, "AWS_") if platform == "ecs" else (own,)
