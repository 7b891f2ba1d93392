"""An HTTP/1.1 transport for httpx that is implemented by an aiohttp session.

It guarantees three properties.

- A request is one write. A process that is frozen between the writes of head and body completes
  the request when it resumes, although another worker has taken over. httpx 0.28 needs two writes
  for every PATCH, aiohttp 3.14 one. A request that exceeds the socket's send buffer still takes
  several writes.
- A request that was not sent is distinguished from one that may have arrived, by whether its
  write began and not by the exception class.
- No request is sent twice. aiohttp repeats a GET, PUT or DELETE once if a kept-alive connection was
  closed. It recognises this by the exception class, so no such exception reaches it.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from worker.providers.k8s.api.connector import Connector

BEFORE_SENDING = "before_sending"
"""The request extension with a function to call just before the request is written.

If the function raises, the request is not sent.
"""

NO_AUTO_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
HEADER_LIMIT = 64 * 1024

SocketOption = tuple[int, int, int]


class Transport(httpx.AsyncBaseTransport):
    """Connections to one server, with one request at a time per connection."""

    def __init__(
        self,
        context: ssl.SSLContext | None,
        proxy: str | None,
        *,
        idle_s: float,
        options: list[SocketOption],
        proxy_context: ssl.SSLContext | None = None,
    ) -> None:
        """`idle_s` is the lifetime of an idle connection, `proxy_context` is for an https proxy."""
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        self._context = context
        self._proxy = URL(proxy) if proxy else None
        self._is_socks = proxy is not None and proxy.startswith("socks5")
        self._of_proxy = proxy_context
        self._idle_s = idle_s
        self._options = options
        self._current: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and return the response before its body is read."""
        attempt = _Attempt(request.extensions.get(BEFORE_SENDING, _nothing))
        content = await request.aread()
        try:
            response = await self._session().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=_headers(request.headers),
                data=_Content(content, attempt) if content else None,
                proxy=None if self._is_socks else self._proxy,
                timeout=_timeout(request.extensions.get("timeout", {})),
                allow_redirects=False,
                middlewares=(attempt,),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise attempt.failure(error) from error
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_Body(response, attempt)
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._current is not None:
            await self._current.close()

    def _session(self) -> aiohttp.ClientSession:
        """Return the session, which is created lazily because it needs a running event loop."""
        if self._current is None:
            self._current = aiohttp.ClientSession(
                connector=Connector(
                    context=self._context,
                    socks_proxy=self._proxy if self._is_socks else None,
                    proxy_context=self._of_proxy,
                    idle_s=self._idle_s,
                    open_socket=lambda address: open_socket(address, self._options),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=_Request,
                skip_auto_headers=NO_AUTO_HEADERS,
                auto_decompress=False,
                trust_env=False,
                max_line_size=HEADER_LIMIT,
                max_field_size=HEADER_LIMIT,
            )
        return self._current


class _Attempt:
    """One attempt to send a request, and the classification of its failure."""

    def __init__(self, before_sending: Callable[[], None]) -> None:
        self._before_sending = before_sending
        self._is_begun = False
        self._refusal: Exception | None = None
        self.connection: asyncio.Transport | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Translate, as aiohttp middleware, the exceptions that make aiohttp send again."""
        assert isinstance(request, _Request)
        request.attempt = self
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            self.abort()
            raise self.failure(error) from error
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Abort the connection; an orderly close would first send the rest of a request."""
        if self.connection is not None:
            self.connection.abort()

    def begin(self) -> None:
        """Record that the write begins, unless the sender refuses."""
        try:
            self._before_sending()
        except Exception as refusal:
            self._refusal = refusal
            raise
        self._is_begun = True

    def failure(self, error: Exception) -> Exception:
        """Return httpx's exception for a failure; ConnectError only if nothing was sent."""
        if self._refusal is not None:
            return self._refusal
        return _lost(error) if self._is_begun else _not_sent(error)


class _Request(aiohttp.ClientRequest):
    """A request with its attempt; aiohttp's CONNECT to a proxy has another class."""

    attempt: _Attempt

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self.attempt.connection = conn.transport
        if not self.body:
            if self.method == "DELETE":
                self.headers.popall("Content-Length", None)  # aiohttp adds a zero
            self.attempt.begin()
        return await super().send(conn)


class _Content(aiohttp.Payload):
    """The body of a request; aiohttp buffers the head and writes it together with the body.

    The attempt begins here, because aiohttp writes in a separate task, on Python 3.11 one iteration
    of the event loop later.
    """

    def __init__(self, content: bytes, attempt: _Attempt) -> None:
        super().__init__(content)
        self._size = len(content)
        self._attempt = attempt

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        content: bytes = self._value
        return content.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._attempt.begin()
        await writer.write(self._value)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        await self.write(writer)


class _Body(httpx.AsyncByteStream):
    """The body of a response; closing it before its end aborts the connection."""

    def __init__(self, response: aiohttp.ClientResponse, attempt: _Attempt) -> None:
        self._response = response
        self._attempt = attempt

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.content.iter_any():
                yield part
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(error) from error

    async def aclose(self) -> None:
        if self._response.connection is not None:
            self._attempt.abort()
        self._response.close()


def _not_sent(error: Exception) -> httpx.TransportError:
    """Return the exception for a failure before the first byte.

    aiohttp's own message may hold a proxy's password.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return httpx.ProxyError(f"the proxy answered {error.status} {error.message}")
    if isinstance(error, TimeoutError):
        return httpx.ConnectTimeout("timeout while connecting")
    return httpx.ConnectError(str(error.__cause__ or error) or type(error).__name__)


def _lost(error: Exception) -> httpx.TransportError:
    """Return the exception for a failure after the first byte."""
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("timeout while waiting for the response")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return httpx.RemoteProtocolError("the server disconnected without an answer")
    if isinstance(error, aiohttp.ClientResponseError):
        return httpx.RemoteProtocolError(f"the answer is not HTTP: {error.message}")
    return httpx.ReadError(str(error) or type(error).__name__)


def _headers(headers: httpx.Headers) -> list[tuple[str, str]]:
    return [(name.decode("ascii"), text.decode("latin-1")) for name, text in headers.raw]


def _timeout(asked: dict[str, Any]) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=asked.get("read"), connect=asked.get("connect"), ceil_threshold=float("inf")
    )


def open_socket(address: aiohttp.AddrInfoType, options: list[SocketOption]) -> socket.socket:
    """Return a socket with the given options for an address."""
    family, kind, protocol, _, _ = address
    created = socket.socket(family, kind, protocol)
    for option in options:
        created.setsockopt(*option)
    return created


def _nothing() -> None:
    """The default for `BEFORE_SENDING`."""
