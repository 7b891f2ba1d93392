"""A transport for httpx that is replaced when a file with a secret of its connections changes.

An open connection keeps its client certificate, and the API server refuses it after its expiry.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import httpx

from contracts.process.renewal import CHECK_INTERVAL_S, Renewed


class RenewedTransport(httpx.AsyncBaseTransport):
    """Sends requests over the newest transport; a former one is closed after its last request."""

    def __init__(
        self,
        make: Callable[[], httpx.AsyncBaseTransport],
        paths: Iterable[str],
        interval_s: float = CHECK_INTERVAL_S,
    ) -> None:
        """`make` reads the files at the paths; it raises ConfigurationError."""
        self._renewed = Renewed(lambda: _Generation(make()), paths, interval_s)
        self._newest = self._renewed.current()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and return the response before its body is read."""
        former, self._newest = self._newest, self._renewed.current()
        if former is not self._newest:
            await former.retire()
        return await self._newest.send(request)

    async def aclose(self) -> None:
        """Close every connection of the newest transport."""
        await self._newest.transport.aclose()


class _Generation:
    """A transport, and the number of its requests under way."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self._under_way = 0
        self._is_retired = False

    async def send(self, request: httpx.Request) -> httpx.Response:
        self._under_way += 1
        try:
            response = await self.transport.handle_async_request(request)
        except BaseException:
            await self._ended()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Stream(response.stream, self._ended)
        return response

    async def retire(self) -> None:
        """Close the transport when its last request ends."""
        self._is_retired = True
        await self._close_unused()

    async def _ended(self) -> None:
        self._under_way -= 1
        await self._close_unused()

    async def _close_unused(self) -> None:
        if self._is_retired and not self._under_way:
            await self.transport.aclose()


class _Stream(httpx.AsyncByteStream):
    """The body of a response, which reports its end."""

    def __init__(self, body: httpx.AsyncByteStream, ended: Callable[[], Awaitable[None]]) -> None:
        self._body = body
        self._ended = ended

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()
        await self._ended()
