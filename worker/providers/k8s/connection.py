"""The way to the API server: TCP, TLS, HTTP/1.1 or HTTP/2, and perhaps a proxy."""

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import cast

import httpx

from worker.providers.k8s.credentials import Trust
from worker.providers.k8s.proxies import proxy_of
from worker.providers.k8s.settings import Settings

IDLE_S = 60
"""Shorter than the 90 s after which an API server closes an idle connection."""

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 35_000}
"""A peer that vanished, or a firewall that forgot the connection, is noticed within 35 s."""


def transport(
    settings: Settings, trust: Trust, environment: Mapping[str, str]
) -> httpx.AsyncBaseTransport:
    """Connections to the configured API server; ConfigurationError for a proxy that is none.

    HTTP/2 shares connections among requests, HTTP/1.1 has one for each.
    """
    # At debug level this library writes down every header, and so the worker's token.
    logging.getLogger("hpack").setLevel(logging.WARNING)
    proxy = proxy_of(settings.k8s_rest_api_url, environment)

    def connected(most: int | None) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=trust.context or False,
            http2=settings.k8s_http2,
            limits=httpx.Limits(
                max_connections=most,
                max_keepalive_connections=most,
                keepalive_expiry=IDLE_S,
            ),
            proxy=httpx.Proxy(proxy) if proxy else None,
            socket_options=socket_options(),
            trust_env=False,
        )

    if settings.k8s_http2:
        # Without a limit of its own, which a connection that was never opened would count against
        # for ever (see Connections): whoever asks bounds the number of requests.
        return connected(None)
    return Connections(lambda: connected(1))


def socket_options() -> list[tuple[int, int, int]]:
    """Keepalive, with as many of its settings as the operating system has."""
    known = {name: getattr(socket, name, None) for name in KEEPALIVE}
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *(
            (socket.IPPROTO_TCP, option, KEEPALIVE[name])
            for name, option in known.items()
            if option is not None
        ),
    ]


class Connections(httpx.AsyncBaseTransport):
    """Many connections, each in a pool of its own, the one used last taken first.

    httpcore's pool looks at all of its connections for every request and again for every answer.
    With 32 of them that was half of a worker's CPU: 6.9 ms a request instead of 1.4 ms, 32 at once,
    measured in turns in one run. Whoever asks bounds their number.

    What failed or was cancelled is not used again: a pool whose request is cancelled between its
    promise of a connection and the opening of it takes that one for busy ever after (httpcore
    1.0.9), and whoever asked it next waited for his whole deadline.
    """

    def __init__(self, single: Callable[[], httpx.AsyncBaseTransport]) -> None:
        """`single` makes a transport that needs no more than one connection."""
        self._single = single
        self._all: list[httpx.AsyncBaseTransport] = []
        self._free: list[httpx.AsyncBaseTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on a free connection, which is free again when its answer is closed."""
        single = self._free.pop() if self._free else self._another()
        try:
            response = await single.handle_async_request(request)
        except BaseException:
            await self._drop(single)
            raise
        body = cast(httpx.AsyncByteStream, response.stream)
        response.stream = _Taken(body, self._free, single, self._drop)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        for single in self._all:
            await single.aclose()

    async def _drop(self, single: httpx.AsyncBaseTransport) -> None:
        """Close one that is used no more; cut short, that is made good at the end."""
        await single.aclose()
        self._all.remove(single)

    def _another(self) -> httpx.AsyncBaseTransport:
        single = self._single()
        self._all.append(single)
        return single


class _Taken(httpx.AsyncByteStream):
    """An answer's body, which holds its connection until it is closed."""

    def __init__(
        self,
        body: httpx.AsyncByteStream,
        free: list[httpx.AsyncBaseTransport],
        single: httpx.AsyncBaseTransport,
        drop: Callable[[httpx.AsyncBaseTransport], Awaitable[None]],
    ) -> None:
        self._body = body
        self._free = free
        self._single: httpx.AsyncBaseTransport | None = single
        self._drop = drop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            yield part

    async def aclose(self) -> None:
        single, self._single = self._single, None
        if single is None:
            return
        try:
            await self._body.aclose()
        except BaseException:
            await self._drop(single)
            raise
        self._free.append(single)
