"""The issuer of JSON Web Tokens, as the variables PLT_JWT_* configure it."""

import os
import re

from contracts.process.environment import ConfigurationError, shown
from gateway.identity.json_web_tokens import key_sets
from gateway.identity.json_web_tokens.endpoint import KeyEndpoint, RemoteKeys
from gateway.identity.json_web_tokens.key_sets import KeyFile, KeySource
from gateway.identity.json_web_tokens.verifier import Expected, JsonWebTokens
from gateway.identity.watched_file import WatchedFile
from gateway.settings import Settings

HTTPS_URL = re.compile(
    r"https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?([/?][^\s#]*)?"
)
MAX_PORT = 65535


def verifier(settings: Settings) -> JsonWebTokens:
    """Return the verifier of the issuer's tokens; raise ConfigurationError."""
    expected = Expected(
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_leeway_seconds,
        settings.jwt_groups_claim,
    )
    return JsonWebTokens(_keys(settings), expected)


def endpoint(settings: Settings) -> KeyEndpoint | None:
    """Return the endpoint with the issuer's keys, None if they are in a file.

    Raises ConfigurationError.
    """
    where = settings.jwt_jwks
    url = HTTPS_URL.fullmatch(where)
    if url is None and "://" not in where:
        return None
    if url is None or int(url["port"] or 0) > MAX_PORT:
        raise ConfigurationError(f"PLT_JWT_JWKS={shown(where)}: expected an https URL or a file")
    for variable, path in (
        ("PLT_JWT_JWKS_CA", settings.jwt_jwks_ca),
        ("PLT_JWT_JWKS_TOKEN_FILE", settings.jwt_jwks_token_file),
    ):
        if path and not os.access(path, os.R_OK):
            raise ConfigurationError(f"{variable}={path!r}: expected a readable file")
    return KeyEndpoint(where, settings.jwt_jwks_ca, settings.jwt_jwks_token_file)


def _keys(settings: Settings) -> KeySource:
    if published := endpoint(settings):
        return RemoteKeys(published)
    return KeyFile(WatchedFile("PLT_JWT_JWKS", settings.jwt_jwks, key_sets.parse))
