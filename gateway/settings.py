"""The settings of a gateway, from its environment."""

from typing import Annotated

from msgspec import Meta, Struct

from contracts.address import is_provider_name
from contracts.environment import AmqpUrls, ConfigurationError, Level, Port, Secret, shown
from gateway.limits import DEFAULT, Limits, within_descriptors
from gateway.tls.certificates import Files

MS = r"([5-9]\d\d|[1-9]\d{3,5})"
DEADLINES = rf"^({MS}|queries={MS}(,commands={MS})?|commands={MS}(,queries={MS})?)\Z"

Deadlines = Annotated[
    str,
    Meta(
        pattern=DEADLINES,
        description="milliseconds from 500 to 999999, for both or as queries=10000,commands=30000",
    ),
]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Bytes = Annotated[
    int,
    Meta(
        ge=1_000_000, le=1 << 40, description="bytes, a whole number from 1000000 to 1099511627776"
    ),
]
File = Annotated[str, Meta(description="the path of a file in PEM")]
Host = Annotated[str, Meta(pattern=r"^[^\s/]+\Z", description="an address to listen on")]

QUERIES_MS = 10_000
COMMANDS_MS = 30_000


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of a gateway."""

    amqp_url: AmqpUrls
    host: Host = "127.0.0.1"
    port: Port = 3042
    providers: str = ""
    deadline_ms: Deadlines = ""
    in_flight: Count = 512
    max_body_bytes: Count = 1_000_000
    connections: Count = DEFAULT.connections
    held_bytes: Bytes = DEFAULT.held_bytes
    seal_key: Secret = Secret()
    tls_cert: File = ""
    tls_key: File = ""
    tls_client_ca: File = ""
    logger_level: Level = "info"

    def expected_providers(self) -> list[str]:
        """Return the providers that are unattended, not unknown, before their first worker."""
        names = [name.strip() for name in self.providers.split(",") if name.strip()]
        for name in names:
            if not is_provider_name(name):
                raise ConfigurationError(
                    "PLT_PROVIDERS: expected names of at most 32 lower-case letters, digits and "
                    f"'-', separated by commas; {shown(name)} is invalid or reserved"
                )
        return names

    def tls_files(self) -> Files:
        """Return the paths of the TLS certificate, its key and the CAs of clients."""
        return Files(self.tls_cert, self.tls_key, self.tls_client_ca)

    def limits(self) -> Limits:
        """Return the limits on clients, reduced to the available file descriptors."""
        connections, backlog = within_descriptors(self.connections)
        return Limits(connections=connections, backlog=backlog, held_bytes=self.held_bytes)

    def deadlines(self) -> tuple[int, int]:
        """Return the deadlines of queries and of commands in milliseconds."""
        if self.deadline_ms.isdigit():
            return int(self.deadline_ms), int(self.deadline_ms)
        parts = dict(part.split("=") for part in self.deadline_ms.split(",") if part)
        return int(parts.get("queries", QUERIES_MS)), int(parts.get("commands", COMMANDS_MS))
