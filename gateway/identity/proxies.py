"""The address of a client behind the proxies of PLT_TRUSTED_PROXIES.

Common proxies write `X-Forwarded-For`. The other header, `Forwarded`, is not read: a proxy that
writes one of the two headers passes the other one on as the client sent it.
"""

import ipaddress
from functools import lru_cache

from litestar.types import Scope

from contracts.process.environment import ConfigurationError, shown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOPS = 32
"""Entries of the header that are looked at, from the right."""


class TrustedProxies:
    """The networks whose hosts append the address of their client to `X-Forwarded-For`."""

    def __init__(self, networks: tuple[Network, ...] = ()) -> None:
        self._networks = networks
        self._is_trusted = lru_cache(1024)(self._contains)

    def client(self, scope: Scope) -> str | None:
        """Return the address of the client: the rightmost hop that is not a trusted proxy.

        The client itself may have written the entries left of it.
        """
        peer = scope["client"][0] if scope["client"] else None
        if peer is None or not self._networks or not self._is_trusted(peer):
            return peer
        client = peer
        for entry in reversed(_entries(scope)):
            address = _address(entry)
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def _contains(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def trusted_proxies(text: str) -> TrustedProxies:
    """Return the proxies of PLT_TRUSTED_PROXIES; raise ConfigurationError."""
    return TrustedProxies(tuple(_network(each.strip()) for each in text.split(",") if each.strip()))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            "PLT_TRUSTED_PROXIES: expected addresses and networks such as 10.0.0.0/8, separated by "
            f"commas; {shown(text)} is invalid"
        ) from error


def _entries(scope: Scope) -> list[str]:
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return b",".join(values).decode("latin-1").rsplit(",", HOPS)[-HOPS:] if values else []


def _address(text: str) -> Address | None:
    """Return the address in an entry, which may have a port; None if there is none."""
    host = text.strip()
    if "%" in host:  # the zone of an IPv6 address, which has any length
        return None
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
