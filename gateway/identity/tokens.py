"""Tokens from a file that holds their hashes.

A token has 256 random bits, so SHA-256 without a salt is enough: 2^256 values cannot be tried, and
two tokens are never equal. A slow hash is for passwords, which people choose from far fewer values.
Here it would cost CPU for every request, and for every wrong token of an attacker.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from gateway.identity import refused
from gateway.identity.requester import Subject, is_name
from gateway.identity.watched_file import InvalidFile, WatchedFile

PREFIX = "machinist_"
"""Lets scanners for leaked secrets recognise a token."""

TOKEN_BYTES = 32
NEVER = "never"
HASH = re.compile(r"sha256:([0-9a-f]{64})")
LINE = "SUBJECT EXPIRES sha256:64 hexadecimal digits, separated by spaces"
INDEX_BYTES = 8


class Token(Struct, frozen=True):
    """One line of the file; `expires` is in seconds of the Unix epoch."""

    subject: Subject
    digest: bytes
    expires: float | None


Tokens = dict[bytes, list[Token]]
"""Tokens by the first bytes of their digest."""


class TokenFile:
    """Verifies tokens by the file of PLT_AUTH_TOKENS."""

    def __init__(self, file: WatchedFile[Tokens], now: Callable[[], float] = time.time) -> None:
        """`now` returns seconds of the Unix epoch."""
        self._file = file
        self._now = now

    async def verify(self, token: str) -> Subject:
        """Return the subject of a token; raise `Refused` if it is unknown or expired.

        The time of the lookup depends on the digest only, which a client cannot choose. The whole
        digest is compared in constant time.
        """
        digest = _digest(token)
        for known in self._file.current().get(digest[:INDEX_BYTES], ()):
            if hmac.compare_digest(known.digest, digest):
                if known.expires is not None and known.expires <= self._now():
                    raise refused.invalid_token("the token has expired")
                return known.subject
        raise refused.invalid_token("the token is not known")

    async def run(self) -> None:
        """Do nothing: the file is checked when a token is verified."""


def parse(content: bytes) -> Tokens:
    """Return the tokens in a file; errors show no part of a line, which may be a token."""
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise InvalidFile("expected UTF-8") from error
    tokens: Tokens = {}
    seen: dict[bytes, int] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        token = _token(text, f"line {number}")
        if token.digest in seen:
            raise InvalidFile(
                f"line {number}: expected another hash than in line {seen[token.digest]}"
            )
        seen[token.digest] = number
        tokens.setdefault(token.digest[:INDEX_BYTES], []).append(token)
    return tokens


def _token(line: str, where: str) -> Token:
    fields = line.split()
    if len(fields) != 3:
        raise InvalidFile(f"{where}: expected {LINE}, got {len(fields)} words")
    name, expires, hashed = fields
    found = HASH.fullmatch(hashed)
    if found is None:
        raise InvalidFile(f"{where}: expected sha256: and 64 hexadecimal digits as the third word")
    if not is_name(name):
        raise InvalidFile(f"{where}: expected a subject of at most 255 printable characters")
    return Token(Subject(name), bytes.fromhex(found[1]), _expiry(expires, where))


def _expiry(text: str, where: str) -> float | None:
    if text == NEVER:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        expected = f"a time with its zone such as 2027-01-31T12:00:00Z, or {NEVER}"
        raise InvalidFile(f"{where}: expected {expected}, as the second word")
    return moment.timestamp()


def new_token() -> str:
    """Return a new random token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def line_of(token: str, subject: str, expires: datetime | None) -> str:
    """Return the line for the file of a token."""
    until = NEVER
    if expires is not None:
        until = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{subject} {until} sha256:{_digest(token).hex()}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
