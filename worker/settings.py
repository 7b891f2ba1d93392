"""The settings of a worker; the settings of a platform belong to its provider."""

from typing import Annotated

from msgspec import Meta, Struct

from contracts.address import is_provider_name
from contracts.api import OPERATIONS
from contracts.observation.logs import AUTO, LogFormat
from contracts.process.environment import (
    AmqpUrls,
    ConfigurationError,
    Host,
    Level,
    MetricsPort,
    Secret,
    shown,
)
from contracts.topology import GIB, MIB
from worker.partitions.bodies import DEFAULT_LIMITS

Count = Annotated[int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10000")]
_PRODUCER = r"\s*[^\s=,]+=[a-z_]+(\+[a-z_]+)*\s*"
Producers = Annotated[
    str,
    Meta(
        pattern=rf"^{_PRODUCER}(,{_PRODUCER})*\Z",
        description="broker users with the operations that they may send as events, such as "
        "deployer=delete_controller+apply_service,router=apply_route_plan",
    ),
]
Bytes = Annotated[
    int,
    Meta(ge=MIB, le=1024 * GIB, description="a number of bytes from 1048576 to 1099511627776"),
]
Seconds = Annotated[int, Meta(ge=1, le=3600, description="seconds from 1 to 3600")]


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of a worker."""

    amqp_url: AmqpUrls
    provider: Annotated[str, Meta(description="k8s or ecs")] = "k8s"
    provider_name: Annotated[str, Meta(description="the first segment of REST paths")] = ""
    concurrency: Count = 64
    grace_seconds: Seconds = 30
    held_bytes: Bytes = DEFAULT_LIMITS.memory
    held_disk_bytes: Bytes = DEFAULT_LIMITS.disk
    seal_key: Secret = Secret()
    producers: Producers = ""
    logger_level: Level = "info"
    metrics_host: Host = "127.0.0.1"
    metrics_port: MetricsPort | None = None
    log_format: LogFormat = AUTO

    def allowed_producers(self) -> dict[str, frozenset[str]]:
        """Return the additional operations that single broker users may send as events."""
        allowed: dict[str, frozenset[str]] = {}
        for part in self.producers.split(",") if self.producers else []:
            user, _, names = part.strip().partition("=")
            allowed[user] = allowed.get(user, frozenset()) | frozenset(names.split("+"))
        commands = {name for name, operation in OPERATIONS.items() if not operation.row.safe}
        for name in sorted(frozenset().union(*allowed.values()) - commands):
            raise ConfigurationError(
                f"PLT_PRODUCERS: {shown(name)} is not a command; expected some of "
                f"{', '.join(sorted(commands))}"
            )
        return allowed

    def attached_as(self) -> str:
        """Return the name under which the provider is attached, by default the platform's."""
        name = self.provider_name or self.provider
        if not is_provider_name(name):
            raise ConfigurationError(
                f"PLT_PROVIDER_NAME={shown(name)}: expected at most 32 lower-case letters, digits "
                "and '-', beginning with a letter, and no reserved word of paths or queues"
            )
        return name
