"""Client certificates and proxies in files that are replaced while a worker runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from contracts import api
from contracts.faults import Code, Fault
from tests.calls import ample
from tests.files import replace
from tests.kubernetes.proxies import proxy_to
from worker.providers import k8s
from worker.providers.k8s.api.renewed_transport import RenewedTransport
from worker.providers.k8s.provider import KubernetesProvider

BOUND_S = 30


@pytest.fixture
def environment(environment, cluster):
    cluster.add_pod("web-1")
    return environment


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; changed files are noticed within a second."""
    async with asyncio.timeout(BOUND_S):
        while not await condition():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.05)


async def reads(provider: KubernetesProvider) -> bool:
    """Tell whether the provider may read pods."""
    try:
        await provider.get_machines(api.GetMachines("default"), ample())
    except Fault as fault:
        if fault.code is not Code.PLATFORM_FORBIDDEN:
            raise
        return False
    return True


@pytest.mark.parametrize("http2", ["false", "true"])
async def test_a_client_certificate_in_files_is_replaced_on_open_connections_too(
    environment, cluster, tmp_path, http2, caplog
):
    """Client-go closes its connections too: an API server refuses an expired certificate."""
    restricted, admin = (
        [path.read_bytes() for path in cluster.client_certificate(name, groups)]
        for name, groups in (("nobody", ()), ("worker", ("system:masters",)))
    )
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    for file, pem in zip(files, restricted, strict=True):
        replace(file, pem)
    configured = environment | {
        "PLT_K8S_AUTH_TYPE": "client-cert",
        "PLT_K8S_CLIENT_CERT_FILE": str(files[0]),
        "PLT_K8S_CLIENT_KEY_FILE": str(files[1]),
        "PLT_K8S_HTTP2": http2,
    }

    async with k8s.open_provider(configured) as provider:
        assert not await reads(provider)
        replace(files[0], admin[0])  # without its key

        async def is_reported() -> bool:
            assert not await reads(provider)
            return "KEY_VALUES_MISMATCH" in caplog.text

        await eventually(is_reported)
        replace(files[1], admin[1])
        await eventually(lambda: reads(provider))


async def test_a_proxy_in_a_file_is_replaced(environment, cluster, tmp_path):
    async with proxy_to(cluster.url) as (first, _), proxy_to(cluster.url) as (second, asked):
        file = replace(tmp_path / "proxy", first)

        async with k8s.open_provider(
            environment | {"PLT_K8S_PROXY_URL_FILE": str(file)}
        ) as provider:
            assert await reads(provider)
            assert not asked
            replace(file, second)

            async def through_second() -> bool:
                return await reads(provider) and bool(asked)

            await eventually(through_second)


class Scripted(httpx.AsyncBaseTransport):
    """A transport whose responses are read in two parts."""

    def __init__(self) -> None:
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=_Parts())

    async def aclose(self) -> None:
        self.is_closed = True


class _Parts(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"


async def test_a_former_transport_is_closed_after_its_last_request(tmp_path: Path) -> None:
    file = replace(tmp_path / "secret", "1")
    made: list[Scripted] = []

    def make() -> Scripted:
        made.append(Scripted())
        return made[-1]

    transport = RenewedTransport(make, [str(file)], interval_s=0)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        async with client.stream("GET", "/") as under_way:
            replace(file, "2")
            assert (await client.get("/")).text == "12"
            assert (len(made), made[0].is_closed) == (2, False)
            assert await under_way.aread() == b"12"
        assert made[0].is_closed
        replace(file, "3")
        assert (await client.get("/")).text == "12"
        assert made[1].is_closed
    assert made[2].is_closed
