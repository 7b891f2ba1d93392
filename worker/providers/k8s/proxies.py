"""Which proxy leads to the API server, by the variables that everybody knows; pure.

The rules are those of Go's tools, so that kubectl and a worker beside it go the same way.
"""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from contracts.environment import ConfigurationError

PORTS = {"http": 80, "https": 443}
PROXY = re.compile(r"https?://[^\s/]+/?")


def proxy_of(url: str, environment: Mapping[str, str]) -> str | None:
    """The URL of the proxy for a server, None for the direct way."""
    target = urlsplit(url)
    host = (target.hostname or "").rstrip(".")
    name = f"{target.scheme.upper()}_PROXY"
    proxy = _variable(environment, name)
    if not proxy or _is_here(host):
        return None
    port = target.port or PORTS[target.scheme]
    if any(_excepts(each, host, port) for each in _entries(_variable(environment, "NO_PROXY"))):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if PROXY.fullmatch(proxy) is None:
        # Its value is not shown: it may hold a password.
        raise ConfigurationError(f"{name}: expected a URL such as http://host:port")
    return proxy


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.lower()) or "").strip()


def _entries(no_proxy: str) -> list[str]:
    return [each.lower() for each in re.split(r"[,\s]+", no_proxy) if each]


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _excepts(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY names a host: `*`, an address, a network or a domain."""
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    if _address(entry) is None and (with_port := re.fullmatch(r"(.+):(\d+)", entry)):
        entry = with_port[1]
        if int(with_port[2]) != port:
            return False
    if address is not None:
        return _address(entry) == address
    domain = entry.removeprefix("*")
    return host.endswith(domain) if domain.startswith(".") else f".{host}".endswith(f".{domain}")


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
