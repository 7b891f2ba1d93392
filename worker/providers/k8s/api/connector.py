"""Open connections for aiohttp, also through proxies that aiohttp does not support."""

import ssl
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from worker.providers.k8s.api import socks


class Connector(aiohttp.TCPConnector):
    """An aiohttp connector with SOCKS5, and with a separate TLS context for the proxy."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None,
        socks_proxy: URL | None,
        proxy_context: ssl.SSLContext | None,
        idle_s: float,
        open_socket: socks.OpenSocket,
    ) -> None:
        super().__init__(
            limit=0,  # the client limits its concurrent requests
            keepalive_timeout=idle_s,
            timeout_ceil_threshold=float("inf"),
            ssl=context or True,
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=open_socket,
        )
        self._socks = socks_proxy
        self._of_proxy = proxy_context
        self._open_socket = open_socket

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> ResponseHandler:
        if self._socks is None:
            return await super()._create_connection(req, traces, timeout)
        host, port = req.url.raw_host or "", req.port or 0
        tunnel = await socks.connect(self._socks, host, port, self._open_socket)
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
        # The session uses a subclass of ClientRequest; aiohttp sends CONNECT as a plain one.
        is_for_proxy = type(req) is aiohttp.ClientRequest
        return self._of_proxy if is_for_proxy and context is not None else context
