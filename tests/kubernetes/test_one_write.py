"""A request is one write, has httpx's headers, and is not sent after a refusal."""

import gzip
import socket
import ssl

import httpx
import pytest
import trustme

from tests.kubernetes import raw_server
from tests.kubernetes.proxies import proxy_to, socks_to
from tests.kubernetes.raw_server import RawServer, answering, serving
from tests.kubernetes.transports import client
from worker.providers.k8s.api import transport
from worker.providers.k8s.api.transport import BEFORE_SENDING


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes of each call of `send`."""
    given: list[bytes] = []

    class Counting(socket.socket):
        def send(self, data, flags=0):
            sent = super().send(data, flags)
            given.append(bytes(data[:sent]))
            return sent

    monkeypatch.setattr(
        transport, "open_socket", lambda address, options: Counting(address[0], address[1])
    )
    return given


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("size", [0, 30, 3_000, 20_000])
async def test_a_request_is_one_write(sends, method, size):
    async with serving(answering) as server, client(server.url) as http:
        for _ in range(2):
            await http.request(method, "/a", content=b"x" * size or None)

    assert sends == server.requests
    assert server.connections == 1


@pytest.mark.parametrize("size", [30, 20_000])
async def test_a_request_over_tls_is_one_write(sends, cluster, size):
    headers = {"Authorization": f"Bearer {cluster.token}"}
    async with client(cluster.url, cluster.trust()) as http:
        await http.get("/version", headers=headers)
        sends.clear()
        await http.patch("/version", content=b"x" * size, headers=headers)

    assert len(sends) == 1
    assert len(sends[0]) > size


@pytest.mark.parametrize("way", ["SOCKS", "HTTP", "HTTPS"])
async def test_a_request_through_a_proxy_is_one_write(sends, cluster, way):
    headers = {"Authorization": f"Bearer {cluster.token}"}
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    proxy_context = ssl.create_default_context()
    authority.configure_trust(proxy_context)
    async with (
        socks_to(cluster.url) as (port, _),
        proxy_to(cluster.url) as (http_proxy, _),
        proxy_to(cluster.url, tls=tls) as (https_proxy, _),
    ):
        proxies = {"SOCKS": f"socks5://127.0.0.1:{port}", "HTTP": http_proxy, "HTTPS": https_proxy}
        url = cluster.url.replace("127.0.0.1", "localhost")
        async with client(url, cluster.trust(), proxies[way], proxy_context) as http:
            await http.get("/version", headers=headers)
            sends.clear()
            await http.patch("/version", content=b"x" * 3_000, headers=headers)

    assert len(sends) == 1
    assert len(sends[0]) > 3_000


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST", "PUT", "DELETE"])
async def test_a_request_has_exactly_the_headers_of_httpx(method):
    content = b"{}" if method.startswith("P") else None
    async with serving(answering) as server:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as reference:
            await reference.request(method, "/a%2Fb/./..?x=%20%3d+&c=", content=content)
        async with client(server.url) as http:
            await http.request(method, "/a%2Fb/./..?x=%20%3d+&c=", content=content)

    expected, sent = server.requests
    assert sorted(sent.split(b"\r\n")) == sorted(expected.split(b"\r\n"))


async def test_redirects_and_compression_are_left_to_the_client():
    packed = gzip.compress(b"packed")
    head = (
        "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(packed)}\r\n\r\n"
    )

    async def behave(
        server: RawServer, reader: raw_server.Reader, writer: raw_server.Writer
    ) -> None:
        while True:
            await server.receive(reader)
            writer.write(head.encode() + packed)

    async with serving(behave) as server, client(server.url) as http:
        answers = [await http.get("/a") for _ in range(2)]

    assert [(each.status_code, each.content) for each in answers] == [(302, b"packed")] * 2
    assert len(server.requests) == 2


@pytest.mark.parametrize(("method", "content"), [("PATCH", b"{}"), ("DELETE", None), ("GET", None)])
async def test_a_sender_may_refuse_just_before_the_write(method, content):
    class Late(Exception):
        pass

    def refuse() -> None:
        raise Late

    async with serving(answering) as server, client(server.url) as http:
        for _ in range(2):
            with pytest.raises(Late):
                await http.request(
                    method, "/late", content=content, extensions={BEFORE_SENDING: refuse}
                )
        await http.get("/next")

    assert [each.split()[1] for each in server.requests] == [b"/next"]
