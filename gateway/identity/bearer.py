"""Bearer tokens of RFC 6750: taken from the header Authorization only, and verified."""

from string import ascii_letters, digits
from typing import Protocol

from litestar.types import Scope

from gateway.identity import refused
from gateway.identity.requester import Subject

TOKEN_LIMIT = 8192
"""The maximal number of characters of a token; a service account's token has about 1,200."""

CHARACTERS = f"{ascii_letters}{digits}-._~+/".encode()
"""The characters of `b64token` in RFC 6750 §2.1, which may end with `=`."""

EXPECTED = "expected one header Authorization: Bearer TOKEN"


class Verifier(Protocol):
    """A kind of tokens."""

    async def verify(self, token: str) -> Subject:
        """Return the subject of a token; raise `Refused` if the token is not valid."""

    async def run(self) -> None:
        """Keep the keys up to date until cancelled; return at once if there is nothing to do."""


class BearerAuthentication:
    """Authenticates a request by its bearer token."""

    uses_tokens = True

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def authenticate(self, scope: Scope) -> Subject:
        """Return the subject of a request; raise `Refused` without a valid token."""
        return await self._verifier.verify(bearer_token(scope))

    async def run(self) -> None:
        """Keep the keys up to date until cancelled."""
        await self._verifier.run()


class EitherVerifier:
    """Tokens of both kinds: a token with the two dots of a JSON Web Token is verified as one."""

    def __init__(self, tokens: Verifier, json_web_tokens: Verifier) -> None:
        self._tokens = tokens
        self._json_web_tokens = json_web_tokens

    async def verify(self, token: str) -> Subject:
        """Return the subject of a token of either kind."""
        is_json_web_token = token.count(".") == 2
        return await (self._json_web_tokens if is_json_web_token else self._tokens).verify(token)

    async def run(self) -> None:
        """Keep the keys of JSON Web Tokens up to date until cancelled."""
        await self._json_web_tokens.run()


def bearer_token(scope: Scope) -> str:
    """Return the token in the headers of a request.

    The received value is in no message: a client may send a token without the word Bearer.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise refused.without_token(f"{EXPECTED}, got none")
    if len(values) > 1:
        raise refused.malformed(f"{EXPECTED}, got {len(values)} headers Authorization")
    scheme, _, token = values[0].strip(b" ").partition(b" ")
    if scheme.lower() != b"bearer":
        raise refused.without_token(f"{EXPECTED}, got another scheme")
    token = token.strip(b" ")
    if len(token) > TOKEN_LIMIT:
        raise refused.malformed(f"expected a token of at most {TOKEN_LIMIT} characters")
    # Faster than a regular expression: 0.5 instead of 8 µs for a service account's token.
    if not token.rstrip(b"=") or token.rstrip(b"=").translate(None, CHARACTERS):
        raise refused.malformed(f"{EXPECTED}, got a TOKEN that is empty or has other characters")
    return token.decode()
