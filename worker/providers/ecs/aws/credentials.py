"""The worker's AWS credentials: renewed once for all requests, with one kind of failure."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from contracts.checks.json_limits import LimitExceeded
from contracts.printable import printable

log = logging.getLogger(__name__)

LONGEST_RENEWAL_S = 30.0
"""The client library sets no time limit for a credential process or a chain of roles."""
PAUSE_S = 30.0
"""The delay after a failed renewal, if the present credentials are still valid."""
USABLE = re.compile(r"[\x21-\x7e]+")
SECRET = re.compile(r"secret_?access_?key|session_?token|\"token\"", re.IGNORECASE)
URL = re.compile(r"(https?://)(?:[^/\s\"'@]*@)?([^/?#\s\"']+)[^\s\"']*")
"""A URL, whose path or query may be a secret."""
MESSAGE_LIMIT = 500
EXPLAINED = (BotoCoreError, ClientError, LimitExceeded, OSError)
"""Exceptions whose messages may be shown; others may quote the source of the credentials."""
TOKEN = (
    "AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "
    "expected one line of text"
)
REPLACEMENTS = {
    r"Received non 200 response (\d+)": r"their source answered with status \1",
    r"unhandled exception: \d+, message": "their source did not answer with HTTP",
    r"Missing required key in response: '(\w+)'": r"the output of credential_process has no \1",
    r"credentials from custom-process": (
        'the command of credential_process failed, or its output has no "Version": 1; run it by '
        "hand to see its output, which may contain secrets"
    ),
    r"Partial credentials found in ([\w-]+), missing: ([\w-]+)": r"\1: expected also \2",
    r"^Unsupported host": (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected a URL whose host is localhost, a loopback "
        "address, 169.254.170.2, 169.254.170.23 or fd00:ec2::23"
    ),
    r"Auth token value|detected in headers|codec can't encode|serialize non-str": TOKEN,
    r"codec can't decode": (
        "expected UTF-8 text from their source, and in the file of "
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_WEB_IDENTITY_TOKEN_FILE"
    ),
    r"^Invalid endpoint: ": (
        "AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, or endpoint_url in the configuration file: "
        "expected a URL"
    ),
}
"""Patterns in messages of the client library, and their replacements: the library quotes what a
source answered, or does not name the variable."""


class Unavailable(Exception):
    """No valid credentials to sign a request with; the message is the reason."""


class Credentials:
    """The credentials of the client library, with the methods that it calls to sign a request."""

    def __init__(self, found: Any, load: Callable[[], Awaitable[Any]] | None = None) -> None:
        """`found` are credentials of the client library, which may expire.

        `load` finds them again. Without it they are fixed.
        """
        self._found = found
        self._load = load
        self._is_malformed = False
        self.method = found.method
        self._last: Any = None
        self._last_found: Any = None
        self._renewal: asyncio.Task[Any] | None = None
        self._next_renewal = 0.0

    async def get_frozen_credentials(self) -> Any:
        """Return valid credentials, or raise Unavailable."""
        if not self._is_due():
            return await self._renewed()
        if self._is_last_valid() and time.monotonic() < self._next_renewal:
            return self._last
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renewed())
            self._renewal.add_done_callback(_retrieve)
        try:
            # Many requests wait for one renewal: the deadline of one must not cancel it.
            frozen = await asyncio.shield(self._renewal)
        except Unavailable as error:
            if not self._is_last_valid():
                raise
            log.warning("AWS credentials: %s; the present ones are still valid", error)
            frozen = self._last
        if self._is_due():
            # The source failed, which the library ignores, or the credentials are short-lived.
            self._next_renewal = time.monotonic() + PAUSE_S
        return frozen

    async def get_account_id(self) -> Any:
        """Return the account of the credentials, if known."""
        return (await self.get_frozen_credentials()).account_id

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Return a function that reads a property later, for the client library's set-up."""
        return lambda: getattr(self._last, name, None)

    async def aclose(self) -> None:
        """Cancel a running renewal."""
        if self._renewal is not None and not self._renewal.done():
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    async def _renewed(self) -> Any:
        limit = asyncio.timeout(LONGEST_RENEWAL_S)
        try:
            async with limit:
                if self._is_malformed and self._load is not None:
                    found = await self._load()
                    if found is None:
                        raise Unavailable("their source returned none")
                    self._found = found
                frozen = checked(await self._found.get_frozen_credentials())
        except Exception as error:
            # The library may cache a malformed answer until its expiry, or without a limit.
            self._is_malformed = True
            if limit.expired():
                raise Unavailable(_overdue(LONGEST_RENEWAL_S)) from error
            raise Unavailable(reason(error)) from error
        self._is_malformed = False
        # A copy, because the library stores the new expiry before checking it.
        self._last, self._last_found = frozen, copy(self._found)
        return frozen

    def _is_due(self) -> bool:
        """Return whether to renew the credentials, by the library's limit, or to reload them."""
        if not self._is_malformed:
            try:
                return _expire_within(self._found, None)
            except Exception as error:
                log.warning("AWS credentials are loaded again: %s", reason(error))
                self._is_malformed = True
        return True

    def _is_last_valid(self) -> bool:
        return self._last is not None and not _expire_within(self._last_found, 0)


def _expire_within(found: Any, seconds: int | None) -> bool:
    """Return whether credentials expire soon; None stands for the library's own limit."""
    refresh_needed = getattr(found, "refresh_needed", None)
    return refresh_needed is not None and bool(refresh_needed(seconds))


async def find(session: Any, seconds: float) -> Credentials | None:
    """Return the credentials that a `session.Chain` finds, or raise Unavailable."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            found = await session.reload_credentials()
            if found is None:
                return None
            credentials = Credentials(found, session.reload_credentials)
            await credentials.get_frozen_credentials()
            return credentials
    except Exception as error:
        if limit.expired():
            raise Unavailable(_overdue(seconds)) from error
        raise Unavailable(reason(error)) from error


def checked(frozen: Any) -> Any:
    """Return credentials that can sign a request, or raise Unavailable."""
    wanted = {"an access key": frozen.access_key, "a secret key": frozen.secret_key}
    if frozen.token is not None:
        wanted["a token"] = frozen.token
    for what, value in wanted.items():
        if not isinstance(value, str) or not USABLE.fullmatch(value):
            raise Unavailable(
                f"their source gave {what} that is not a text of printable characters"
            )
    return frozen


def reason(error: Exception) -> str:
    """Return the reason for missing credentials in one line, without secrets or quotations."""
    words = str(error)
    if isinstance(error, Unavailable):
        return words
    for pattern, replacement in REPLACEMENTS.items():
        if found := re.search(pattern, words):
            return found.expand(replacement)
    if isinstance(error, EXPLAINED) and not SECRET.search(words):
        return printable(URL.sub(r"\1\2", words))[:MESSAGE_LIMIT]
    if isinstance(error, RuntimeError) and "expired" in words:
        return "their source gave credentials that have expired"
    return (
        "their source did not give an access key, a secret key, a token and a time of expiry "
        f"({type(error).__name__})"
    )


def _overdue(seconds: float) -> str:
    return f"their source did not answer within {seconds:.0f} seconds"


def _retrieve(renewal: asyncio.Task[Any]) -> None:
    """Retrieve the exception of a renewal that no request awaits any more."""
    if not renewal.cancelled():
        renewal.exception()
