"""The transport: a table of errors, no request sent twice, and no leaked connection."""

import asyncio
import socket
import ssl

import httpx
import pytest

from tests.kubernetes import raw_server
from tests.kubernetes.raw_server import OK, RawServer, answering, serving
from tests.kubernetes.transports import client, until
from worker.providers.k8s.api.errors import of_connection

IDEMPOTENT = ["GET", "PUT", "DELETE"]


def nowhere() -> str:
    """Return the address of a port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def refused(_: RawServer) -> dict[str, str]:
    return {"url": nowhere()}


def unknown_host(_: RawServer) -> dict[str, str]:
    return {"url": "http://nobody.invalid"}


def refused_proxy(_: RawServer) -> dict[str, str]:
    return {"url": "https://api.example", "proxy": nowhere()}


def through_it(server: RawServer) -> dict[str, str]:
    return {"url": "https://api.example", "proxy": server.url.replace("//", "//user:secret@")}


def refused_socks(_: RawServer) -> dict[str, str]:
    return {"url": "https://api.example", "proxy": nowhere().replace("http:", "socks5:")}


def socks(server: RawServer) -> dict[str, str]:
    return {"url": "https://api.example", "proxy": f"socks5://user:secret@127.0.0.1:{server.port}"}


def tls(server: RawServer) -> dict[str, str]:
    return {"url": server.url.replace("http:", "https:")}


FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
NOT_SENT = {
    "no listener": (refused, raw_server.closing, httpx.ConnectError),
    "no such host": (unknown_host, raw_server.closing, httpx.ConnectError),
    "no listener at the proxy": (refused_proxy, raw_server.closing, httpx.ConnectError),
    "the proxy refuses": (through_it, raw_server.responding(FORBIDDEN), httpx.ProxyError),
    "the proxy closes": (through_it, raw_server.closing, httpx.ConnectError),
    "the proxy resets": (through_it, raw_server.resetting, httpx.ConnectError),
    "the proxy is silent": (through_it, raw_server.silent, httpx.ConnectTimeout),
    "no TLS behind the proxy": (through_it, raw_server.responding(ESTABLISHED), httpx.ConnectError),
    "no listener at the SOCKS proxy": (refused_socks, raw_server.closing, httpx.ConnectError),
    "the SOCKS proxy closes": (socks, raw_server.closing, httpx.ConnectError),
    "the SOCKS proxy is silent": (socks, raw_server.silent, httpx.ConnectTimeout),
    "the SOCKS proxy speaks HTTP": (socks, raw_server.unsolicited, httpx.ProxyError),
    "the server closes during the handshake": (tls, raw_server.closing, httpx.ConnectError),
    "the server does not speak TLS": (tls, raw_server.unsolicited, httpx.ConnectError),
    "the handshake hangs": (tls, raw_server.silent, httpx.ConnectTimeout),
}


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT"])
@pytest.mark.parametrize(("where", "behave", "error"), NOT_SENT.values(), ids=NOT_SENT)
async def test_a_request_that_was_not_sent_is_a_failure_to_connect(method, where, behave, error):
    async with serving(behave) as server:
        way = where(server)
        context = ssl.create_default_context() if way["url"].startswith("https:") else None
        connect = 0.2 if error is httpx.ConnectTimeout else 20
        async with client(way["url"], context, way.get("proxy"), connect=connect) as http:
            with pytest.raises(httpx.TransportError) as raised:
                await http.request(method, "/a")

    assert type(raised.value) is error
    assert not of_connection(raised.value).arrived
    assert "secret" not in str(raised.value)


CREDENTIALS = b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ="


async def test_a_tunnel_is_requested_with_the_credentials_of_the_proxy():
    async with serving(raw_server.responding(FORBIDDEN)) as server:
        way = through_it(server)
        async with client(way["url"], ssl.create_default_context(), way["proxy"]) as http:
            with pytest.raises(httpx.ProxyError, match="403 Forbidden"):
                await http.get("/a", headers={"Authorization": "Bearer token"})

    [asked] = server.requests
    assert asked.startswith(b"CONNECT api.example:443 HTTP/1.1\r\n")
    assert CREDENTIALS in asked
    assert b"Bearer" not in asked


async def test_every_request_to_a_plain_http_proxy_has_its_credentials():
    async with serving(answering) as server:
        proxy = through_it(server)["proxy"]
        async with client("http://api.example", None, proxy) as http:
            for _ in range(2):
                await http.get("/a?b=%20c")

    assert server.connections == 1
    for asked in server.requests:
        assert asked.startswith(b"GET http://api.example/a?b=%20c HTTP/1.1\r\n")
        assert CREDENTIALS in asked


ARRIVED = {
    "no answer": (raw_server.responding(b""), httpx.RemoteProtocolError),
    "a reset": (raw_server.resetting, httpx.ReadError),
    "half a head": (raw_server.responding(b"HTTP/1.1 200 OK\r\nConte"), httpx.RemoteProtocolError),
    "no HTTP": (raw_server.responding(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), httpx.RemoteProtocolError),
    "half a body": (raw_server.responding(OK[:-1]), httpx.ReadError),
    "silence": (raw_server.silent, httpx.ReadTimeout),
}


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(("behave", "error"), ARRIVED.values(), ids=ARRIVED)
async def test_a_request_that_may_have_arrived_is_never_a_failure_to_connect(method, behave, error):
    seconds = 0.3 if error is httpx.ReadTimeout else 20
    async with serving(behave) as server, client(server.url, seconds=seconds) as http:
        with pytest.raises(httpx.TransportError) as raised:
            await http.request(method, "/a", content=b"{}" if method == "PATCH" else None)

    assert type(raised.value) is error
    assert of_connection(raised.value).arrived
    assert server.connections == 1


@pytest.mark.parametrize("method", [*IDEMPOTENT, "PATCH", "POST"])
@pytest.mark.parametrize("last", [None, b"HTTP/1.1 "])
async def test_a_request_on_a_kept_connection_that_breaks_is_not_sent_again(method, last):
    """aiohttp repeats idempotent requests itself, which would bypass the fence."""
    async with serving(raw_server.answering_once(last)) as server, client(server.url) as http:
        await http.get("/first")

        with pytest.raises(httpx.TransportError) as raised:
            await http.request(method, "/second")

    assert of_connection(raised.value).arrived
    assert len(server.requests) == 2
    assert server.connections == 1


async def test_a_cancelled_request_closes_its_connection():
    async with serving(raw_server.silent) as server, client(server.url) as http:
        for wanted in (1, 2):
            asking = asyncio.create_task(http.patch("/a", content=b"{}"))
            await until(lambda: server.connections == wanted)  # noqa: B023 - awaited in this iteration
            asking.cancel()
            await asyncio.wait([asking])

            assert asking.cancelled()


async def test_a_half_sent_request_that_is_cancelled_is_not_completed():
    """Otherwise the rest would be sent when the server reads on, after the cancellation."""
    may_read = asyncio.Event()
    received = bytearray()
    ended = asyncio.Event()

    async def behave(_: RawServer, reader: raw_server.Reader, writer: raw_server.Writer) -> None:
        try:
            await may_read.wait()
            while piece := await reader.read(1_000_000):
                received.extend(piece)
        finally:
            ended.set()

    size = 40_000_000
    async with serving(behave) as server, client(server.url) as http:
        asking = asyncio.create_task(http.patch("/a", content=bytes(size)))
        await until(lambda: server.connections)
        asking.cancel()
        await asyncio.wait([asking])
        may_read.set()
        async with asyncio.timeout(60):
            await ended.wait()

    assert len(received) < size


async def test_sequential_requests_share_a_connection_and_concurrent_requests_do_not():
    async with serving(answering) as server, client(server.url) as http:
        for _ in range(5):
            await http.get("/a")
        assert server.connections == 1

        await asyncio.gather(*(http.get("/a") for _ in range(8)))
        most = server.connections
        await asyncio.gather(*(http.get("/a") for _ in range(8)))

    assert 1 < server.connections == most <= 8


async def test_a_connection_beyond_its_idle_time_is_not_used():
    async with serving(answering) as server, client(server.url, idle_s=1e-9) as http:
        for _ in range(3):
            await http.get("/a")

    assert server.connections == 3


async def test_an_unread_response_closes_its_connection():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx"

    async def behave(
        server: RawServer, reader: raw_server.Reader, writer: raw_server.Writer
    ) -> None:
        await server.receive(reader)
        writer.write(head)
        assert await reader.read() == b""
        server.requests.append(b"closed")

    async with serving(behave) as server, client(server.url) as http:
        async with http.stream("GET", "/a") as response:
            assert response.status_code == 200
        await until(lambda: b"closed" in server.requests)
