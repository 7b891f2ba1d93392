"""SOCKS5 (RFC 1928, 1929): the proxy resolves the host name, as with Go's tools."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable

import httpx
from aiohttp import AddrInfoType
from yarl import URL

VERSION = 5
NO_LOGIN, PASSWORD = 0, 2
CONNECT = 1
IPV4, DOMAIN, IPV6 = 1, 3, 4
PORT = 1080
LONGEST = 255
REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}

OpenSocket = Callable[[AddrInfoType], socket.socket]


async def connect(proxy: URL, host: str, port: int, open_socket: OpenSocket) -> socket.socket:
    """Return a connection to a host through the proxy, or raise OSError or ProxyError."""
    connection = await _to_proxy(proxy, open_socket)
    try:
        await _log_in(connection, proxy)
        await _request_connection(connection, host, port)
    except BaseException:
        connection.close()
        raise
    return connection


async def _to_proxy(proxy: URL, open_socket: OpenSocket) -> socket.socket:
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(
        proxy.raw_host, proxy.port or PORT, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    failure = OSError(f"{proxy.raw_host} has no address")
    for address in addresses:
        connection = open_socket(address)
        try:
            connection.setblocking(False)
            await loop.sock_connect(connection, address[4])
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


async def _log_in(connection: socket.socket, proxy: URL) -> None:
    has_login = proxy.user is not None
    methods = bytes([NO_LOGIN, PASSWORD] if has_login else [NO_LOGIN])
    await _send(connection, bytes([VERSION, len(methods)]) + methods)
    version, method = await _receive(connection, 2)
    if version != VERSION or method not in methods:
        raise httpx.ProxyError(
            "the proxy does not support SOCKS5, or expects another login "
            f"({'a user with a password' if has_login else 'none'} is configured)"
        )
    if method == PASSWORD:
        user, password = (proxy.user or "").encode(), (proxy.password or "").encode()
        await _send(connection, b"\1" + _length_prefixed(user) + _length_prefixed(password))
        _, status = await _receive(connection, 2)
        if status != 0:
            raise httpx.ProxyError("the SOCKS proxy refused its user or password")


async def _request_connection(connection: socket.socket, host: str, port: int) -> None:
    await _send(connection, bytes([VERSION, CONNECT, 0]) + _address(host) + port.to_bytes(2))
    version, status, _, kind = await _receive(connection, 4)
    if version != VERSION or status != 0:
        reason = REFUSALS.get(status, f"code {status}")
        raise httpx.ProxyError(f"the SOCKS proxy cannot connect to {host}:{port}: {reason}")
    # The reply ends with the proxy's own address.
    size = {IPV4: 4, IPV6: 16}.get(kind) or (await _receive(connection, 1))[0]
    await _receive(connection, size + 2)


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bytes([DOMAIN]) + _length_prefixed(host.encode("ascii"))
    return bytes([IPV4 if address.version == 4 else IPV6]) + address.packed


def _length_prefixed(text: bytes) -> bytes:
    if len(text) > LONGEST:
        raise httpx.ProxyError(f"SOCKS5 limits host, user and password to {LONGEST} bytes each")
    return bytes([len(text)]) + text


async def _send(connection: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, data)


async def _receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly `size` bytes, because further bytes belong to the server."""
    received = b""
    while len(received) < size:
        part = await asyncio.get_running_loop().sock_recv(connection, size - len(received))
        if not part:
            raise ConnectionResetError("the SOCKS proxy closed the connection")
        received += part
    return received
