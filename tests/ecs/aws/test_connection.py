"""Connections to AWS: TLS verification, reuse, proxies."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from contracts import api
from contracts.faults import Code, Fault
from tests.calls import ample
from worker.providers import ecs

EMPTY = b'{"taskArns": [], "tasks": []}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(EMPTY), EMPTY)


class CountingServer:
    """A server that answers each request with empty lists, and counts connections."""

    def __init__(self) -> None:
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                [length] = [
                    int(line.partition(b":")[2])
                    for line in head.lower().splitlines()
                    if line.startswith(b"content-length")
                ]
                await reader.readexactly(length)
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def encrypted(authority: trustme.CA, server: CountingServer) -> AsyncIterator[str]:
    """The URL of the server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    async with await asyncio.start_server(server, "127.0.0.1", 0, ssl=context) as listening:
        yield f"https://localhost:{listening.sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(url: str, trusted: trustme.CA, folder: Path) -> dict[str, str]:
    bundle = folder / "ca.pem"
    trusted.cert_pem.write_to_path(str(bundle))
    return {
        "PLT_ECS_REGION": "eu-central-1",
        "PLT_ECS_ENDPOINT": url,
        "PLT_ECS_RETRY_BASE_MS": "1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CA_BUNDLE": str(bundle),
    }


async def test_a_certificate_of_the_ca_bundle_is_trusted_and_the_connection_is_reused(
    authority, tmp_path
):
    server = CountingServer()

    async with (
        encrypted(authority, server) as url,
        ecs.open_provider(trusting(url, authority, tmp_path)) as provider,
    ):
        for _ in range(3):
            assert await provider.get_machines(api.GetMachines("shop"), ample()) == []

    assert server.connections == 1


async def test_a_certificate_of_another_ca_is_not_trusted(authority, tmp_path):
    server = CountingServer()

    async with (
        encrypted(authority, server) as url,
        ecs.open_provider(trusting(url, trustme.CA(), tmp_path)) as provider,
    ):
        with pytest.raises(Fault, match=r"cannot be reached.*certificate") as raised:
            await provider.get_machines(api.GetMachines("shop"), ample())

    assert raised.value.code is Code.PLATFORM_UNREACHABLE
    assert server.connections == 0


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy URL without a listener, in the environment."""
    url = "http://127.0.0.1:1"
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return url


@pytest.mark.usefixtures("proxy")
async def test_a_loopback_endpoint_is_not_proxied(aws, provider, call):
    aws.add_cluster("shop")

    assert await provider.get_machines(api.GetMachines("shop"), call()) == []


async def test_another_endpoint_is_proxied(proxy, environment, call):
    elsewhere = {"PLT_ECS_ENDPOINT": "http://aws.test", "PLT_ECS_ATTEMPTS": "1"}

    async with ecs.open_provider(environment | elsewhere) as provider:
        with pytest.raises(Fault, match=f"cannot be reached.*{proxy}"):
            await provider.get_machines(api.GetMachines("shop"), call())
