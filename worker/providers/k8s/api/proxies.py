"""Choose the proxy for the API server; pure.

The rules are those of client-go, so that kubectl and a worker on one host use the same proxy: a
proxy configured for the cluster is always used, a proxy of the environment not for loopback
addresses and hosts in NO_PROXY.
"""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from contracts.process.environment import Secret

PORTS = {"http": 80, "https": 443}
SCHEMES = ("http", "https", "socks5", "socks5h")
EXPECTED = "expected a URL such as http://host:3128, https://host:3128 or socks5://host:1080"


def proxy_of(url: str, named: Secret, environment: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for a server, None for a direct connection.

    `named` is the value of PLT_K8S_PROXY_URL.
    """
    return checked(named) if named else _of_environment(url, environment)


def checked(secret: Secret) -> str:
    """Return the normalised URL of a proxy, or raise ConfigurationError."""
    proxy = secret.read()
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(proxy.split()) != 1:
        raise secret.wrong(EXPECTED)
    return parts._replace(path="", query="", fragment="").geturl()


def _of_environment(url: str, environment: Mapping[str, str]) -> str | None:
    target = urlsplit(url)
    host = (target.hostname or "").rstrip(".")
    name = f"{target.scheme.upper()}_PROXY"
    proxy = _variable(environment, name)
    if not proxy or _is_loopback(host):
        return None
    port = target.port or PORTS[target.scheme]
    if any(_matches(each, host, port) for each in _entries(_variable(environment, "NO_PROXY"))):
        return None
    return checked(Secret(proxy if "://" in proxy else f"http://{proxy}", name))


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.lower()) or "").strip()


def _entries(no_proxy: str) -> list[str]:
    return [each.lower() for each in re.split(r"[,\s]+", no_proxy) if each]


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _matches(entry: str, host: str, port: int) -> bool:
    """Return whether a NO_PROXY entry matches a host: `*`, an address, a network or a domain."""
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
