"""JSON Web Tokens (RFC 7519, RFC 8725), such as the projected tokens of service accounts."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import jwt
from jwt import PyJWK
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidKeyError,
    InvalidSignatureError,
    InvalidTokenError,
    MissingRequiredClaimError,
)
from msgspec import Struct

from gateway.identity import refused
from gateway.identity.json_web_tokens.key_sets import ALGORITHMS, KeySource
from gateway.identity.refused import Refused
from gateway.identity.requester import Subject, is_name

REQUIRED = ["exp", "iss", "aud", "sub"]
VERIFIED = 4096
"""Verified tokens in memory: the first request with a token costs about 0.4 ms of CPU, the next
15 µs.
"""

NOT_A_TOKEN = "expected a JSON Web Token"
UNKNOWN_KEY = "the token is signed with a key that its issuer does not publish"


class Expected(Struct, frozen=True):
    """The expected claims; `leeway_s` is the largest difference between two clocks in seconds."""

    issuer: str
    audience: str
    leeway_s: int
    groups_claim: str


class Verified(Struct, frozen=True):
    """A verified token; `until` is in seconds of the Unix epoch."""

    subject: Subject
    kid: str
    key: PyJWK
    until: int


class JsonWebTokens:
    """Verifies tokens of one issuer, and remembers those that are valid."""

    def __init__(
        self, keys: KeySource, expected: Expected, now: Callable[[], float] = time.time
    ) -> None:
        """`now` returns seconds of the Unix epoch."""
        self._keys = keys
        self._expected = expected
        self._now = now
        self._verified: dict[bytes, Verified] = {}

    async def verify(self, token: str) -> Subject:
        """Return the subject of a token; raise `Refused`, or `identity_unavailable` without keys.

        A remembered token is valid until it expires, and while its key is published.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known and self._now() < known.until and self._keys.get(known.kid) is known.key:
            return known.subject
        verified = await self._verify(token)
        self._verified.pop(digest, None)
        if len(self._verified) >= VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified
        return verified.subject

    async def run(self) -> None:
        """Keep the keys up to date until cancelled."""
        await self._keys.run()

    async def _verify(self, token: str) -> Verified:
        kid = _kid(token)
        key = await self._keys.find(kid)
        if key is None:
            raise refused.invalid_token(UNKNOWN_KEY)
        expected = self._expected
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=expected.audience,
                issuer=expected.issuer,
                leeway=expected.leeway_s,
                options={"require": REQUIRED, "enforce_minimum_key_length": True},
            )
        except (InvalidTokenError, InvalidKeyError) as error:
            raise self._refused(error) from None
        subject = _subject(claims, expected.groups_claim)
        return Verified(subject, kid, key, int(claims["exp"]) + expected.leeway_s)

    def _refused(self, error: Exception) -> Refused:
        """Return the 401 for an error; the library's own messages may quote the token."""
        match error:
            case ExpiredSignatureError():
                message = "the token has expired"
            case ImmatureSignatureError():
                message = "the token is not valid yet: compare the clocks"
            case InvalidAudienceError():
                message = f"expected a token for the audience {self._expected.audience}"
            case InvalidIssuerError():
                message = f"expected a token of the issuer {self._expected.issuer}"
            case MissingRequiredClaimError():
                message = f"expected a token with the claim {error.claim}"
            case InvalidAlgorithmError():
                message = "the token is signed with another algorithm than that of its key"
            case InvalidSignatureError():
                message = "the signature of the token is not valid"
            case InvalidKeyError():
                message = "the key of the token is too short"
            case _:
                message = NOT_A_TOKEN
        return refused.invalid_token(message)


def _kid(token: str) -> str:
    """Return the id of the key of a token. Its headers are not verified, and nothing else counts.

    `jku`, `jwk` and `x5u`, which name keys elsewhere, are ignored.
    """
    try:
        header = jwt.get_unverified_header(token)
    except InvalidTokenError:
        raise refused.invalid_token(NOT_A_TOKEN) from None
    if header.get("alg") not in ALGORITHMS:
        listed = ", ".join(ALGORITHMS)
        raise refused.invalid_token(f"expected a token that is signed with one of {listed}")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise refused.invalid_token("expected a token with the header kid")
    return kid


def _subject(claims: dict[str, Any], groups_claim: str) -> Subject:
    name = claims["sub"]
    if not is_name(name):
        raise refused.invalid_token("expected a claim sub of 1 to 255 printable characters")
    claim = claims.get(groups_claim)
    groups = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return Subject(name, tuple(each for each in groups if is_name(each)))
