"""The way to the API server: TCP, TLS, HTTP/1.1 or HTTP/2, and perhaps a proxy."""

import logging
import socket
from collections.abc import Mapping

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
) -> httpx.AsyncHTTPTransport:
    """Connections to the configured API server; ConfigurationError for a proxy that is none."""
    # At debug level this library writes down every header, and so the worker's token.
    logging.getLogger("hpack").setLevel(logging.WARNING)
    proxy = proxy_of(settings.k8s_rest_api_url, environment)
    return httpx.AsyncHTTPTransport(
        verify=trust.context or False,
        http2=settings.k8s_http2,
        limits=httpx.Limits(
            max_connections=settings.k8s_concurrency,
            max_keepalive_connections=settings.k8s_concurrency,
            keepalive_expiry=IDLE_S,
        ),
        proxy=httpx.Proxy(proxy) if proxy else None,
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
