"""The keys of an issuer from its HTTPS endpoint, fetched in the background.

A request waits for a fetch only if its token names an unknown key, and never longer than the fetch
may take. The last keys stay in force while the endpoint does not answer.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from jwt import PyJWK
from msgspec import Struct

from contracts.faults import Code, Fault
from gateway.identity.json_web_tokens.key_sets import Keys, parse
from gateway.identity.watched_file import FILE_LIMIT, InvalidFile

log = logging.getLogger(__name__)

REFRESH_S = 300.0
"""A key that the issuer no longer publishes is refused after this time at the latest."""

RETRY_S = 5.0
PAUSE_S = 5.0
"""The pause after a fetch, however many tokens name unknown keys."""

FETCH_S = 5.0


class KeyEndpoint(Struct, frozen=True):
    """The endpoint: `ca` is a file with CAs in PEM, `token_file` one with a bearer token."""

    url: str
    ca: str = ""
    token_file: str = ""


class FetchFailed(Exception):
    """The keys could not be fetched."""


class RemoteKeys:
    """The keys behind an endpoint; only `run` fetches them."""

    def __init__(
        self,
        endpoint: KeyEndpoint,
        now: Callable[[], float] = time.monotonic,
        fetch_s: float = FETCH_S,
    ) -> None:
        """`now` returns seconds; `fetch_s` limits the time of a fetch in seconds."""
        self._endpoint = endpoint
        self._now = now
        self._fetch_s = fetch_s
        self._credentials = Credentials(endpoint)
        self._keys: Keys | None = None
        self._not_before = 0.0
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._complaint = ""

    def get(self, kid: str) -> PyJWK | None:
        """Return a key of the last fetch."""
        return None if self._keys is None else self._keys.get(kid)

    async def find(self, kid: str) -> PyJWK | None:
        """Return a key; wait for the next fetch if it is unknown and the last one is old enough.

        Raises `identity_unavailable` before the first successful fetch.
        """
        key = self.get(kid)
        if key is None and self._now() >= self._not_before:
            await self._fetched()
            key = self.get(kid)
        if key is None and self._keys is None:
            raise Fault(
                Code.IDENTITY_UNAVAILABLE,
                "the keys of the issuer of tokens could not be read yet; the gateway's log has the "
                "reason",
            )
        return key

    async def run(self) -> None:
        """Fetch the keys at intervals, and when an unknown key is wanted."""
        while True:
            succeeded = await self._fetch()
            self._not_before = self._now() + PAUSE_S
            self._wanted.clear()
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)
            self._waiting.clear()
            try:
                async with asyncio.timeout(REFRESH_S if succeeded else RETRY_S):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("the keys of %s are fetched again", self._endpoint.url)

    async def _fetched(self) -> None:
        """Wait for the end of the running or the next fetch."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._wanted.set()
        try:
            async with asyncio.timeout(self._fetch_s + 1):
                await waiting
        except TimeoutError:
            log.debug("the fetch of the keys takes too long")

    async def _fetch(self) -> bool:
        """Fetch the keys; keep the former ones if that fails."""
        try:
            keys = await fetch(self._endpoint, self._credentials, self._fetch_s)
        except FetchFailed as error:
            self._complain(str(error))
            return False
        if self._keys is None or self._complaint or keys.keys() != self._keys.keys():
            log.info("%d keys of %s are in force", len(keys), self._endpoint.url)
        self._keys, self._complaint = keys, ""
        return True

    def _complain(self, complaint: str) -> None:
        """Log an error once per reason."""
        level = logging.DEBUG if complaint == self._complaint else logging.ERROR
        consequence = (
            "requests with JSON Web Tokens are answered 503"
            if self._keys is None
            else "the former keys stay in force"
        )
        log.log(level, "PLT_JWT_JWKS=%s: %s; %s", self._endpoint.url, complaint, consequence)
        self._complaint = complaint


class Credentials:
    """The files of an endpoint: its CAs, and the bearer token for it."""

    def __init__(self, endpoint: KeyEndpoint) -> None:
        self._endpoint = endpoint
        self._context: ssl.SSLContext | None = None
        self._signature: tuple[int, int] | None = None

    def read(self) -> tuple[ssl.SSLContext, dict[str, str]]:
        """Return the TLS context and the headers of a request; both files may have changed.

        Raises OSError and FetchFailed.
        """
        # Uncompressed: a small compressed response could have any size.
        headers = {"accept-encoding": "identity"}
        if self._endpoint.token_file:
            headers["authorization"] = f"Bearer {_token(self._endpoint.token_file)}"
        return self._trust(self._endpoint.ca), headers

    def _trust(self, ca: str) -> ssl.SSLContext:
        signature = None
        if ca:
            found = Path(ca).stat()
            signature = found.st_ino, found.st_mtime_ns
        if self._context is None or signature != self._signature:
            self._context = _context(ca)
            self._signature = signature
        return self._context


async def fetch(endpoint: KeyEndpoint, credentials: Credentials, fetch_s: float = FETCH_S) -> Keys:
    """Return the keys that an endpoint publishes, within this time in seconds.

    Raises FetchFailed.
    """
    try:
        async with asyncio.timeout(fetch_s):
            context, headers = await asyncio.to_thread(credentials.read)
            async with (
                httpx.AsyncClient(verify=context, timeout=fetch_s) as client,
                client.stream("GET", endpoint.url, headers=headers) as response,
            ):
                if response.status_code != 200:
                    raise FetchFailed(f"expected the status 200, got {response.status_code}")
                content = bytearray()
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > FILE_LIMIT:
                        raise FetchFailed(f"expected at most {FILE_LIMIT} bytes")
            return parse(bytes(content))
    except TimeoutError as error:
        raise FetchFailed(f"no complete response within {fetch_s:g} s") from error
    except (httpx.HTTPError, OSError, InvalidFile) as error:
        raise FetchFailed(str(error) or type(error).__name__) from error


def _context(ca: str) -> ssl.SSLContext:
    if not ca:
        return httpx.create_ssl_context()
    context = ssl.create_default_context(cafile=ca)
    # As in Go, a certificate of the file may end a chain, and a CA of a cluster needs no authority
    # key identifier, which Python 3.13 requires.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def _token(path: str) -> str:
    token = Path(path).read_bytes().strip().decode("ascii", "replace")
    if not token or not all("!" <= character <= "~" for character in token):
        raise FetchFailed("PLT_JWT_JWKS_TOKEN_FILE: expected one word of printable characters")
    return token
