"""The variables of the all-in-one image, and those that each of its programs gets."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from contracts.address import is_provider_name
from contracts.observation.logs import AUTO, LogFormat
from contracts.process.environment import ConfigurationError, Level, shown
from deploy.image.all_in_one.broker import Login

WITHOUT_EFFECT = (
    "PLT_DEV_MODE",
    "PLT_DISABLE_EVENT_EXPORT",
    "PLT_K8S_INSTALLED_NAMESPACE",
    "PLT_LOG_PROXY_URL",
)
"""Variables of the Node implementation that are accepted and mean nothing here."""

OWN_BROKER = ("PLT_AMQP_URL", "PLT_AMQP_URL_FILE")
SEAL_KEYS = ("PLT_SEAL_KEY", "PLT_SEAL_KEY_FILE")
AUTHENTICATION = ("PLT_AUTH", "PLT_TLS_CLIENT_CA", "PLT_ALLOW_ANONYMOUS")
OF_PLATFORMS = ("PLT_K8S_", "PLT_ECS_", "AWS_")
"""Prefixes of variables that only the worker gets."""

WORKER_GRACE_S = 5
"""The time of running operations after the gateway has ended; see STOP_S in __main__.py."""

FREE, OFF = "0", "off"

MetricsPort = Annotated[
    str, Meta(pattern=r"^(off|\d{1,5})\Z", description="a port from 0 to 65534, or off")
]


class Settings(Struct, frozen=True):
    """The `PLT_*` variables that the supervisor reads."""

    data_folder: str = "/var/lib/machinist"
    provider: str = ""
    k8s_provider: str = ""
    provider_name: str = ""
    metrics_port: MetricsPort = "9090"
    logger_level: Level = "info"
    log_format: LogFormat = AUTO

    @property
    def platform(self) -> str:
        """The platform. PLT_K8S_PROVIDER is its name in earlier versions of the Node chart."""
        return self.provider or self.k8s_provider or "k8s"

    def attached_as(self) -> str:
        """Return the name of the provider, which is the first segment of REST paths."""
        name = self.provider_name or self.platform
        if not is_provider_name(name):
            raise ConfigurationError(
                f"PLT_PROVIDER_NAME or PLT_PROVIDER={shown(name)}: expected at most 32 lower-case "
                "letters, digits and '-', beginning with a letter, and no reserved word"
            )
        return name

    def worker_metrics_port(self) -> str:
        """Return the worker's port, the one after the gateway's."""
        if self.metrics_port in (FREE, OFF):
            return self.metrics_port
        return str(int(self.metrics_port) + 1)


def check(environ: Mapping[str, str]) -> None:
    """Raise ConfigurationError for a variable that contradicts the image."""
    for name in OWN_BROKER:
        if environ.get(name):
            raise ConfigurationError(
                f"{name} is set: expected nothing, because this image runs a broker of its own; "
                "with another broker use the image machinist"
            )


def notes(environ: Mapping[str, str]) -> list[str]:
    """Return messages for the log about variables without effect and about missing protection."""
    ignored = [name for name in WITHOUT_EFFECT if environ.get(name)]
    if environ.get("PLT_PROVIDER") and environ.get("PLT_K8S_PROVIDER"):
        ignored.append("PLT_K8S_PROVIDER")
    found = [f"without effect in machinist: {', '.join(ignored)}"] if ignored else []
    if is_anonymous(environ):
        found.append(
            "no authentication, as in the Node implementation (PLT_ALLOW_ANONYMOUS=true): every "
            "client that reaches the port may use the API; set PLT_AUTH or PLT_TLS_CLIENT_CA"
        )
    return found


def is_anonymous(environ: Mapping[str, str]) -> bool:
    """Return whether nothing in the environment decides about authentication."""
    return not any(environ.get(name) for name in AUTHENTICATION)


def gateway_variables(
    environ: Mapping[str, str], settings: Settings, login: Login, seal_key: str
) -> dict[str, str]:
    """Return the variables of the gateway: the caller's without those of platforms, and its own."""
    inherited = {
        name: value for name, value in environ.items() if not name.startswith(OF_PLATFORMS)
    }
    expected = [settings.attached_as(), *filter(None, [environ.get("PLT_PROVIDERS")])]
    own = {"PLT_AMQP_URL": login.gateway, "PLT_PROVIDERS": ",".join(expected)}
    if is_anonymous(environ):
        own["PLT_ALLOW_ANONYMOUS"] = "true"
    return inherited | own | _seal(environ, seal_key)


def worker_variables(
    environ: Mapping[str, str], settings: Settings, login: Login, seal_key: str
) -> dict[str, str]:
    """Return the variables of the worker: the caller's and its own."""
    own = {
        "PLT_AMQP_URL": login.worker,
        "PLT_PROVIDER": settings.platform,
        "PLT_METRICS_PORT": settings.worker_metrics_port(),
        "PLT_GRACE_SECONDS": str(WORKER_GRACE_S),
    }
    return dict(environ) | own | _seal(environ, seal_key)


def _seal(environ: Mapping[str, str], seal_key: str) -> dict[str, str]:
    """Return the variable with the generated key unless the caller has set one."""
    return {} if any(environ.get(name) for name in SEAL_KEYS) else {"PLT_SEAL_KEY": seal_key}
