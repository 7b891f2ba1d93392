"""Builds the guard from the variables of a gateway."""

import ipaddress
import logging
import socket

from contracts.process.environment import ConfigurationError
from gateway.identity import rights_file, tokens
from gateway.identity.bearer import BearerAuthentication, EitherVerifier, Verifier
from gateway.identity.certificates import CertificateAuthentication
from gateway.identity.guard import Authentication, Guard
from gateway.identity.proxies import trusted_proxies
from gateway.identity.refusals import Record, Refusals
from gateway.identity.watched_file import WatchedFile
from gateway.settings import Settings

log = logging.getLogger(__name__)

EXPOSED = (
    "PLT_ALLOW_ANONYMOUS=true: every client that reaches %s may send every command; set PLT_AUTH "
    "or PLT_TLS_CLIENT_CA to let certain clients in only"
)


def guard_of(settings: Settings, record: Record) -> Guard:
    """Return the guard; raise ConfigurationError for variables that do not fit together.

    `record` publishes the outcome of a refused command.
    """
    _check(settings)
    rights = None
    if settings.auth_rights:
        rights = WatchedFile("PLT_AUTH_RIGHTS", settings.auth_rights, rights_file.parse)
    return Guard(
        _authentication(settings),
        rights,
        trusted_proxies(settings.trusted_proxies),
        Refusals(record),
    )


def check_exposure(settings: Settings, listening: socket.socket) -> None:
    """Raise ConfigurationError if anonymous clients of other machines could send commands."""
    if settings.auth != "none" or settings.tls_client_ca:
        return
    address = listening.getsockname()[0]
    if ipaddress.ip_address(address).is_loopback:
        return
    if not settings.allow_anonymous:
        raise ConfigurationError(
            f"PLT_HOST={address}: expected a loopback address, because clients are not "
            "authenticated: set PLT_AUTH, PLT_TLS_CLIENT_CA or PLT_ALLOW_ANONYMOUS=true"
        )
    log.warning(EXPOSED, address)


def _check(settings: Settings) -> None:
    """Raise one error that names every missing variable, and every variable without effect."""
    kinds = settings.auth_kinds()
    because = f"because PLT_AUTH={settings.auth}"
    wrong = []
    for kind, name, value, expected in (
        ("token", "PLT_AUTH_TOKENS", settings.auth_tokens, "the file with the hashes of tokens"),
        ("jwt", "PLT_JWT_ISSUER", settings.jwt_issuer, "the claim iss of the tokens"),
        ("jwt", "PLT_JWT_AUDIENCE", settings.jwt_audience, "the claim aud of the tokens"),
        ("jwt", "PLT_JWT_JWKS", settings.jwt_jwks, "an https URL or a file"),
    ):
        if kind in kinds and not value:
            wrong.append(f"{name} is not set: expected {expected}, {because}")
        if kind not in kinds and value:
            wrong.append(f"PLT_AUTH={settings.auth}: expected {kind}, because {name} is set")
    if kinds and not settings.auth_rights:
        expected = "the file with the rights of the subjects"
        wrong.append(f"PLT_AUTH_RIGHTS is not set: expected {expected}, {because}")
    if settings.auth_rights and not kinds and not settings.tls_client_ca:
        expected = "token or jwt, or PLT_TLS_CLIENT_CA"
        wrong.append(f"PLT_AUTH=none: expected {expected}, because PLT_AUTH_RIGHTS is set")
    if wrong:
        raise ConfigurationError("\n".join(wrong))


def _authentication(settings: Settings) -> Authentication:
    kinds = settings.auth_kinds()
    verifiers: list[Verifier] = []
    if "token" in kinds:
        file = WatchedFile("PLT_AUTH_TOKENS", settings.auth_tokens, tokens.parse)
        verifiers.append(tokens.TokenFile(file))
    if "jwt" in kinds:
        # PyJWT and httpx take 7 MB of memory, which a gateway without such tokens does not need.
        from gateway.identity.json_web_tokens import issuer

        verifiers.append(issuer.verifier(settings))
    if not verifiers:
        return CertificateAuthentication()
    return BearerAuthentication(EitherVerifier(*verifiers) if verifiers[1:] else verifiers[0])
