"""JSON Web Key Sets (RFC 7517): the public keys of the issuer of JSON Web Tokens."""

import logging
from typing import Any, Protocol

import msgspec
from jwt import PyJWK

from gateway.identity.watched_file import InvalidFile, WatchedFile

log = logging.getLogger(__name__)

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures with a private key only: with HS256 the public key of RS256 would be a secret."""

MAX_KEYS = 100
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

Keys = dict[str, PyJWK]
"""Keys by their `kid`."""


class KeySource(Protocol):
    """The present keys of an issuer."""

    def get(self, kid: str) -> PyJWK | None:
        """Return a key that is known now."""

    async def find(self, kid: str) -> PyJWK | None:
        """Return a key; read the keys again if it is unknown. Raise `identity_unavailable`."""

    async def run(self) -> None:
        """Keep the keys up to date until cancelled."""


class KeyFile:
    """Keys in a file, which is read again when it changes."""

    def __init__(self, file: WatchedFile[Keys]) -> None:
        self._file = file

    def get(self, kid: str) -> PyJWK | None:
        """Return a key that is in the file now."""
        return self._file.current().get(kid)

    async def find(self, kid: str) -> PyJWK | None:
        """Return a key that is in the file now."""
        return self.get(kid)

    async def run(self) -> None:
        """Do nothing: the file is checked when a key is needed."""


def parse(content: bytes) -> Keys:
    """Return the usable keys of a key set; raise InvalidFile if there is none.

    Keys for encryption, symmetric keys and unknown kinds of keys are left out.
    """
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise InvalidFile(f"expected a JSON Web Key Set: {error}") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise InvalidFile("expected a JSON Web Key Set: an object with a list `keys`")
    found = [key for entry in entries[:MAX_KEYS] if (key := _key(entry)) is not None]
    keys = {key.key_id: key for key in found if key.key_id is not None}
    if not keys:
        raise InvalidFile(
            f"expected at least one key with a `kid`, for one of {', '.join(ALGORITHMS)}; got "
            f"{len(entries)} keys"
        )
    return keys


def _key(entry: Any) -> PyJWK | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK({name: value for name, value in entry.items() if name not in PRIVATE})
    except Exception as error:  # of several libraries; one unusable key must not stop the others
        log.debug("a key of the issuer is not usable: %s", type(error).__name__)
        return None
    return key if key.algorithm_name in ALGORITHMS else None
