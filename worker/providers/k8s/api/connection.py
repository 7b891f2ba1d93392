"""The way to the API server: TCP, TLS, HTTP/1.1 or HTTP/2, and perhaps a proxy."""

import logging
import socket
from collections.abc import Mapping

import httpx

from contracts.environment import ConfigurationError
from worker.providers.k8s.api.credentials import Trust
from worker.providers.k8s.api.proxies import proxy_of
from worker.providers.k8s.api.transport import Transport
from worker.providers.k8s.settings import Settings

IDLE_S = 60
"""Shorter than the 90 s after which an API server closes an idle connection."""

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 35_000}
"""A peer that vanished, or a firewall that forgot the connection, is noticed within 35 s."""


def transport(
    settings: Settings, trust: Trust, environment: Mapping[str, str]
) -> httpx.AsyncBaseTransport:
    """Connections to the configured API server; ConfigurationError for an unusable proxy.

    HTTP/1.1 has one connection for each request and makes one write of each. HTTP/2 shares
    connections among requests; it needs the transport of httpx, which writes head and body of a
    request in two frames and two writes.
    """
    # At debug level this library writes down every header, and so the worker's token.
    logging.getLogger("hpack").setLevel(logging.WARNING)
    proxy = proxy_of(settings.k8s_rest_api_url, settings.k8s_proxy_url, environment)
    of_proxy = trust.of_proxy() if proxy is not None and proxy.startswith("https:") else None
    if not settings.k8s_http2:
        return Transport(
            trust.context, proxy, idle_s=IDLE_S, options=socket_options(), of_proxy=of_proxy
        )
    if proxy is not None and proxy.startswith("socks5"):
        raise ConfigurationError(
            "PLT_K8S_HTTP2='true': expected false, since only HTTP/1.1 goes through a SOCKS proxy"
        )
    return httpx.AsyncHTTPTransport(
        verify=trust.context or False,
        http2=settings.k8s_http2,
        # Without a limit of its own, which a connection that was never opened would count against
        # for ever: a request that is cancelled between the promise of a connection and the opening
        # of the connection leaves it busy (httpcore 1.0.9). The client bounds its requests.
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_S
        ),
        proxy=httpx.Proxy(proxy, ssl_context=of_proxy) if proxy else None,
        socket_options=socket_options(),
        trust_env=False,
    )


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
