"""Open connections for aiohttp, also through proxies that aiohttp does not know."""

import ssl
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from worker.providers.k8s.api import socks


class Connector(aiohttp.TCPConnector):
    """TCP and TLS to one server.

    Beside HTTP proxies, which aiohttp knows, the way leads through SOCKS5, and through proxies that
    speak TLS with a context of their own.
    """

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None,
        through: URL | None,
        of_proxy: ssl.SSLContext | None,
        idle_s: float,
        opened: socks.OpenSocket,
    ) -> None:
        super().__init__(
            limit=0,  # the client bounds its requests
            keepalive_timeout=idle_s,
            timeout_ceil_threshold=float("inf"),
            ssl=context or True,
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=opened,
        )
        self._socks = through
        self._of_proxy = of_proxy
        self._opened = opened

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> ResponseHandler:
        if self._socks is None:
            return await super()._create_connection(req, traces, timeout)
        host, port = req.url.raw_host or "", req.port or 0
        tunnel = await socks.connect(self._socks, host, port, self._opened)
        try:
            context = self._get_ssl_context(req)
            _, protocol = await self._loop.create_connection(
                self._factory,
                sock=tunnel,
                ssl=context,
                server_hostname=host.rstrip(".") if context else None,
            )
        except BaseException:
            tunnel.close()
            raise
        return protocol

    def _get_ssl_context(self, req: aiohttp.ClientRequest) -> ssl.SSLContext | None:
        context = super()._get_ssl_context(req)
        # The session has a request class of its own: a plain one is the CONNECT for a proxy.
        is_for_proxy = type(req) is aiohttp.ClientRequest
        return self._of_proxy if is_for_proxy and context is not None else context
