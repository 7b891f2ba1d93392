"""HTTP/1.1 to the API server: httpx's interface, carried by a session of aiohttp.

Three things are kept exact here.

- A request is one write. A process that is frozen between two writes, of the head and of the body,
  completes the request when it wakes up, although another worker has taken over. httpx 0.28 makes
  two writes of every PATCH, aiohttp 3.14 one. What does not fit into the send buffer of the socket
  still leaves in several parts.
- What did not leave is told from what may have arrived: by whether the request was begun, not by
  the class of an exception.
- Nothing is sent twice. aiohttp repeats a GET, PUT or DELETE once when a kept-alive connection
  turns out closed, recognised by the class of the exception, and so no such exception reaches it.
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
"""The extension of a request with a function that is called just before the request is written.

An exception of the function is raised instead of sending.
"""

EVERY_HEADER_IS_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
HEADER_LIMIT = 64 * 1024

SocketOption = tuple[int, int, int]


class Transport(httpx.AsyncBaseTransport):
    """Connections to one server, each used by one request at a time."""

    def __init__(
        self,
        context: ssl.SSLContext | None,
        proxy: str | None,
        *,
        idle_s: float,
        options: list[SocketOption],
        of_proxy: ssl.SSLContext | None = None,
    ) -> None:
        """`idle_s` is for how long an unused connection is kept.

        `of_proxy` is the context for a proxy that speaks TLS itself.
        """
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        self._context = context
        self._proxy = URL(proxy) if proxy else None
        self._is_socks = proxy is not None and proxy.startswith("socks5")
        self._of_proxy = of_proxy
        self._idle_s = idle_s
        self._options = options
        self._opened: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once; the response's body is still to be read."""
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
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        """Return the session, which needs a running loop from its beginning."""
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=Connector(
                    context=self._context,
                    through=self._proxy if self._is_socks else None,
                    of_proxy=self._of_proxy,
                    idle_s=self._idle_s,
                    opened=lambda address: open_socket(address, self._options),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=_Request,
                skip_auto_headers=EVERY_HEADER_IS_OURS,
                auto_decompress=False,
                trust_env=False,
                max_line_size=HEADER_LIMIT,
                max_field_size=HEADER_LIMIT,
            )
        return self._opened


class _Attempt:
    """One request on its way, and what a failure of it means."""

    def __init__(self, before_sending: Callable[[], None]) -> None:
        self._before_sending = before_sending
        self._is_begun = False
        self._refusal: Exception | None = None
        self.connection: asyncio.Transport | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """As a middleware of the session: turn the exceptions on which aiohttp sends again."""
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
        """End the connection at once: closed in order, it first sends the rest of a request."""
        if self.connection is not None:
            self.connection.abort()

    def begin(self) -> None:
        """Note that the request is written now, unless its sender refuses at the last moment."""
        try:
            self._before_sending()
        except Exception as refusal:
            self._refusal = refusal
            raise
        self._is_begun = True

    def failure(self, error: Exception) -> Exception:
        """Return what httpx raises in that case: a ConnectError only for what never left."""
        if self._refusal is not None:
            return self._refusal
        return _lost(error) if self._is_begun else _not_sent(error)


class _Request(aiohttp.ClientRequest):
    """A request that knows its attempt. The CONNECT for a proxy is not one of these."""

    attempt: _Attempt

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self.attempt.connection = conn.transport
        if not self.body:
            if self.method == "DELETE":
                self.headers.popall("Content-Length", None)  # aiohttp adds a zero
            self.attempt.begin()
        return await super().send(conn)


class _Content(aiohttp.Payload):
    """The body of a request, written together with the head, which aiohttp holds back until then.

    The write happens in a task of its own, one turn of the loop later on Python 3.11: the attempt
    begins here.
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
    """The body of a response. Closed before its end, it takes the connection with it."""

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
    """What a failure before the first byte means; aiohttp's words may hold a proxy's password."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return httpx.ProxyError(f"the proxy answered {error.status} {error.message}")
    if isinstance(error, TimeoutError):
        return httpx.ConnectTimeout("connecting took too long")
    return httpx.ConnectError(str(error.__cause__ or error) or type(error).__name__)


def _lost(error: Exception) -> httpx.TransportError:
    """What a failure after the first byte means."""
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("the answer took too long")
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
    """Return a socket for one of the addresses of a server."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    for option in options:
        made.setsockopt(*option)
    return made


def _nothing() -> None:
    """What is called before sending where nobody asks for more."""
