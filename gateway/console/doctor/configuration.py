"""Checks the variables of a gateway in an environment, with the files that they name."""

import ipaddress
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.outcomes import Outcome
from contracts.process.environment import ConfigurationError, Secret, load
from contracts.seal import Seals
from contracts.wire import Header
from gateway.console.doctor.finding import Finding, error, listed, shell, warning
from gateway.identity import tokens
from gateway.identity.configuration import guard_of
from gateway.identity.json_web_tokens import issuer
from gateway.identity.json_web_tokens.endpoint import Credentials, FetchFailed, KeyEndpoint, fetch
from gateway.settings import Settings
from gateway.tls import certificates

SOON = timedelta(days=14)


def settings_in(environment: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """Return the settings of a gateway, None with findings if a gateway would not start."""
    wrong: list[str] = []
    settings = None
    try:
        settings = load(Settings, environment)
        settings.expected_providers()
        Seals(settings.seal_key)
        certificates.contexts(settings.tls_files())
        guard_of(settings, _no_record)
    except ConfigurationError as failed:
        wrong = str(failed).splitlines()
    return (None if wrong else settings), [
        error(
            "configuration",
            f"{line}.",
            "A gateway with this environment does not start, and exits with the status 2.",
            f"Set {line.partition('=')[0].partition(' ')[0].rstrip(':')} to what is expected; the "
            "variables are in: machinist-gateway --help",
        )
        for line in wrong
    ]


def findings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Return the findings about the valid settings of a gateway."""
    yield from _exposure(settings)
    if settings.auth_tokens:
        yield from _tokens(settings.auth_tokens, now)
    if settings.tls_cert:
        yield from _certificate(settings.tls_cert, now)


async def of_issuer(settings: Settings) -> list[Finding]:
    """Return the finding about an issuer of JSON Web Tokens whose keys cannot be fetched."""
    endpoint = issuer.endpoint(settings) if settings.auth == "jwt" else None
    if endpoint is None:
        return []
    try:
        await fetch(endpoint, Credentials(endpoint))
    except FetchFailed as failed:
        return [
            error(
                "issuer-unreachable",
                f"The keys of the issuer of tokens cannot be fetched from "
                f"PLT_JWT_JWKS={endpoint.url}: {failed}.",
                "A gateway that starts now answers requests with JSON Web Tokens 503 "
                "identity_unavailable; one that has keys accepts no new key.",
                "Correct PLT_JWT_JWKS, PLT_JWT_JWKS_CA (the CA of the endpoint) or "
                "PLT_JWT_JWKS_TOKEN_FILE (its bearer token), until this command prints the keys:\n"
                + _curl(endpoint),
            )
        ]
    return []


def _curl(endpoint: KeyEndpoint) -> str:
    words = ["curl", "--fail-with-body"]
    if endpoint.ca:
        words += ["--cacert", endpoint.ca]
    line = shell(*words, endpoint.url)
    if endpoint.token_file:
        # The shell reads the token, so that it is not printed here.
        line += f' --header "authorization: Bearer $(cat {shell(endpoint.token_file)})"'
    return line


def key_names(seal_key: Secret) -> list[str]:
    """Return the names of the seal keys of a gateway; none if they are not valid."""
    try:
        return Seals(seal_key).names
    except ConfigurationError:
        return []  # a finding about the settings


def _exposure(settings: Settings) -> Iterator[Finding]:
    if settings.auth != "none" or settings.tls_client_ca or _is_loopback(settings.host):
        return
    meaning = "Every client that reaches the gateway may send every command, without a name."
    remedy = (
        "Set PLT_AUTH=token with PLT_AUTH_TOKENS and PLT_AUTH_RIGHTS, PLT_AUTH=jwt, or "
        "PLT_TLS_CLIENT_CA; deploy/identity/README.md has examples. Or listen on loopback: "
        "PLT_HOST=127.0.0.1"
    )
    if settings.allow_anonymous:
        yield warning(
            "anonymous",
            f"PLT_AUTH=none and PLT_HOST={settings.host}, with PLT_ALLOW_ANONYMOUS=true.",
            meaning,
            remedy,
        )
    else:
        yield error(
            "anonymous",
            f"PLT_AUTH=none and PLT_HOST={settings.host}, without PLT_ALLOW_ANONYMOUS.",
            "A gateway with this environment does not start: without authentication it listens on "
            "loopback only.",
            remedy,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tokens(path: str, now: datetime) -> Iterator[Finding]:
    by_subject: dict[str, list[float | None]] = {}
    for known in tokens.parse(Path(path).read_bytes()).values():
        for token in known:
            by_subject.setdefault(token.subject.name, []).append(token.expires)
    for subject, expiries in sorted(by_subject.items()):
        if None in expiries:
            continue
        last = datetime.fromtimestamp(max(each for each in expiries if each is not None), UTC)
        if last - now > SOON:
            continue
        is_over = last <= now
        make = error if is_over else warning
        yield make(
            "token-expired" if is_over else "token-expires",
            f"The last token of {subject} in PLT_AUTH_TOKENS "
            f"{'expired' if is_over else 'expires'} at {last:%Y-%m-%dT%H:%M:%SZ}.",
            f"{'Every' if is_over else 'From then on every'} request of {subject} gets 401.",
            f"{shell('machinist', 'token', 'new', '--subject', subject, '--days', '90')}\n"
            f"Add the second line to {shell(path)}, and give the first one to {subject}",
        )


def _certificate(path: str, now: datetime) -> Iterator[Finding]:
    begin, end = certificates.validity(path)
    if begin <= now and end - now > SOON:
        return
    state = "is not valid yet" if now < begin else "expired" if end <= now else "expires"
    make = warning if begin <= now < end else error
    yield make(
        "certificate",
        f"The certificate in PLT_TLS_CERT={path} {state}: it is valid from {begin:%Y-%m-%d} to "
        f"{end:%Y-%m-%d}.",
        "Clients refuse connections to a gateway whose certificate is not valid.",
        f"Write a new certificate and its key into {listed([path])} and PLT_TLS_KEY; gateways use "
        "changed files without a restart",
    )


def _no_record(outcome: Outcome, requested_by: Header | None) -> None:
    """Record nothing: this guard admits no request."""
