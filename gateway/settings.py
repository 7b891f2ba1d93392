"""The settings of a gateway, from its environment."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from contracts.address import is_provider_name
from contracts.observation.logs import AUTO, LogFormat
from contracts.process.environment import (
    AmqpUrls,
    ConfigurationError,
    Host,
    Level,
    MetricsPort,
    Port,
    Secret,
    shown,
)
from gateway.http.limits import DEFAULT, Limits, within_descriptors
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
Seconds = Annotated[int, Meta(ge=0, le=3600, description="seconds from 0 to 3600")]
Auth = Annotated[
    Literal["none", "token", "jwt", "token,jwt"],
    Meta(description="none, token, jwt or token,jwt"),
]
Flag = Annotated[bool, Meta(description="true or false")]
FilePath = Annotated[str, Meta(description="the path of a file")]
LeewaySeconds = Annotated[int, Meta(ge=0, le=300, description="seconds from 0 to 300")]
File = Annotated[str, Meta(description="the path of a file in PEM")]

QUERIES_MS = 10_000
COMMANDS_MS = 30_000

STOP_MARGIN_S = 5.0
"""The time of a request beside its deadline, above all for the arrival of its body."""


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
    drain_seconds: Seconds = 0
    seal_key: Secret = Secret()
    tls_cert: File = ""
    tls_key: File = ""
    tls_client_ca: File = ""
    logger_level: Level = "info"
    metrics_host: Host = "127.0.0.1"
    metrics_port: MetricsPort | None = None
    log_format: LogFormat = AUTO
    access_log: Flag = False
    auth: Auth = "none"
    auth_tokens: FilePath = ""
    auth_rights: FilePath = ""
    jwt_issuer: Annotated[str, Meta(description="the claim iss of JSON Web Tokens")] = ""
    jwt_audience: Annotated[str, Meta(description="the claim aud of JSON Web Tokens")] = ""
    jwt_jwks: Annotated[str, Meta(description="an https URL, or the path of a file")] = ""
    jwt_jwks_ca: FilePath = ""
    jwt_jwks_token_file: FilePath = ""
    jwt_leeway_seconds: LeewaySeconds = 30
    jwt_groups_claim: Annotated[str, Meta(description="a claim of JSON Web Tokens")] = "groups"
    allow_anonymous: Flag = False
    trusted_proxies: Annotated[
        str, Meta(description="addresses and networks, separated by commas")
    ] = ""

    def auth_kinds(self) -> tuple[str, ...]:
        """Return the accepted kinds of tokens."""
        return () if self.auth == "none" else tuple(self.auth.split(","))

    def expected_providers(self) -> list[str]:
        """Return the providers that are unattended, not unknown, before their first worker."""
        return provider_names(self.providers)

    def tls_files(self) -> Files:
        """Return the paths of the TLS certificate, its key and the CAs of clients."""
        return Files(self.tls_cert, self.tls_key, self.tls_client_ca)

    def limits(self) -> Limits:
        """Return the limits on clients, reduced to the available file descriptors."""
        connections, backlog = within_descriptors(self.connections)
        return Limits(connections=connections, backlog=backlog, held_bytes=self.held_bytes)

    def stop_s(self) -> float:
        """Return the limit in seconds for requests under way when the gateway stops listening."""
        return max(self.deadlines()) / 1000 + STOP_MARGIN_S

    def deadlines(self) -> tuple[int, int]:
        """Return the deadlines of queries and of commands in milliseconds."""
        if self.deadline_ms.isdigit():
            return int(self.deadline_ms), int(self.deadline_ms)
        parts = dict(part.split("=") for part in self.deadline_ms.split(",") if part)
        return int(parts.get("queries", QUERIES_MS)), int(parts.get("commands", COMMANDS_MS))


def provider_names(text: str) -> list[str]:
    """Return the names in PLT_PROVIDERS; raises ConfigurationError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not is_provider_name(name):
            raise ConfigurationError(
                "PLT_PROVIDERS: expected names of at most 32 lower-case letters, digits and "
                f"'-', separated by commas; {shown(name)} is invalid or reserved"
            )
    return names
