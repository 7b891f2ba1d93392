"""The connection to the API server: TCP, TLS, HTTP/1.1 or HTTP/2, and an optional proxy."""

import logging
import socket
from collections.abc import Mapping

import httpx

from contracts.process.environment import ConfigurationError
from worker.providers.k8s.api.credentials import Trust
from worker.providers.k8s.api.proxies import proxy_of
from worker.providers.k8s.api.renewed_transport import RenewedTransport
from worker.providers.k8s.api.transport import Transport
from worker.providers.k8s.settings import Settings

IDLE_S = 60
"""Shorter than the 90 s after which an API server closes an idle connection."""

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 35_000}
"""A vanished peer, or a firewall that dropped the connection, is detected within 35 s."""


def transport(
    settings: Settings, trust: Trust, environment: Mapping[str, str]
) -> httpx.AsyncBaseTransport:
    """Return the HTTP transport for the API server; ConfigurationError for an unusable proxy."""
    secrets = settings.k8s_proxy_url, settings.k8s_client_cert, settings.k8s_client_key
    paths = [path for secret in secrets for path in secret.paths]

    def make() -> httpx.AsyncBaseTransport:
        trust.load_certificate()
        return _transport(settings, trust, environment)

    return RenewedTransport(make, paths) if paths else make()


def _transport(
    settings: Settings, trust: Trust, environment: Mapping[str, str]
) -> httpx.AsyncBaseTransport:
    """Return a transport with the present proxy and client certificate.

    HTTP/1.1 uses one connection per request and sends each request in one write. HTTP/2 shares
    connections between requests; it needs the transport of httpx, which sends head and body of a
    request in two frames and two writes.
    """
    # At debug level this library logs every header, and with it the worker's token.
    logging.getLogger("hpack").setLevel(logging.WARNING)
    proxy = proxy_of(settings.k8s_rest_api_url, settings.k8s_proxy_url, environment)
    proxy_context = (
        trust.proxy_context() if proxy is not None and proxy.startswith("https:") else None
    )
    if not settings.k8s_http2:
        return Transport(
            trust.context,
            proxy,
            idle_s=IDLE_S,
            options=socket_options(),
            proxy_context=proxy_context,
        )
    if proxy is not None and proxy.startswith("socks5"):
        raise ConfigurationError(
            "PLT_K8S_HTTP2='true': expected false, because a SOCKS proxy supports only HTTP/1.1"
        )
    return httpx.AsyncHTTPTransport(
        verify=trust.context or False,
        http2=settings.k8s_http2,
        # No connection limit, because httpcore 1.0.9 leaks a slot when a request is cancelled
        # between reserving and opening a connection. The client limits its concurrent requests.
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_S
        ),
        proxy=httpx.Proxy(proxy, ssl_context=proxy_context) if proxy else None,
        socket_options=socket_options(),
        trust_env=False,
    )


def socket_options() -> list[tuple[int, int, int]]:
    """Return the socket options for TCP keepalive that the operating system supports."""
    known = {name: getattr(socket, name, None) for name in KEEPALIVE}
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *(
            (socket.IPPROTO_TCP, option, KEEPALIVE[name])
            for name, option in known.items()
            if option is not None
        ),
    ]
