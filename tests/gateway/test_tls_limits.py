"""Slow and numerous clients of a gateway with TLS: the same limits as without TLS hold."""

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from gateway.http.limits import Limits
from gateway.http.server import OnRawPath, Server
from tests.gateway.certificates import HOST, Pki
from tests.gateway.echo import Echo
from tests.gateway.served import TIMEOUT_S, closed, exchange, request, serving, status_of, until

LONG_S = 3600.0
"""A time limit that no test reaches."""

PATIENT = Limits(handshake_s=LONG_S, head_s=LONG_S, body_s=LONG_S, idle_s=LONG_S, answer_s=LONG_S)
ONCE = request(b"GET / HTTP/1.1")
KEPT = b"GET / HTTP/1.1\r\nhost: gateway.test\r\n\r\n"
LARGE = b"x" * 12_000_000


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


class Peer:
    """A client with or without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def rest(self) -> bytes:
        """Read until the gateway closes the connection."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


class Scene:
    """A gateway with TLS, and its clients."""

    def __init__(self, port: int, pki: Pki, server: Server, clients: AsyncExitStack) -> None:
        self.port = port
        self.server = server
        self.open = server.server_state.connections
        self._tls = pki.admitted()
        self._clients = clients

    async def connect(self, data: bytes = b"", tls: ssl.SSLContext | None = None) -> Peer:
        """Connect, by default without a handshake, and send data."""
        small = socket.socket()
        # With the default size the kernel would buffer most of a large response.
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, (HOST, self.port))
        name = None if tls is None else HOST
        reader, writer = await asyncio.open_connection(sock=small, ssl=tls, server_hostname=name)
        self._clients.push_async_callback(closed, writer)
        writer.write(data)
        return Peer(reader, writer)

    async def secure(self, data: bytes = b"") -> Peer:
        """Connect with TLS and send data."""
        return await self.connect(data, self._tls)

    async def serves(self) -> bool:
        """Tell whether a further client is served."""
        return status_of(await exchange(self.port, ONCE, tls=self._tls)) == 200


@asynccontextmanager
async def scene(pki: Pki, app: Echo | None = None, **changes: float) -> AsyncIterator[Scene]:
    """Serve with limits of which only the given ones are reached."""
    limits = msgspec.structs.replace(PATIENT, **changes)
    app = app or Echo()
    async with (
        asyncio.timeout(TIMEOUT_S),
        serving(OnRawPath(app), limits, tls=pki.contexts(mutual=True)) as (port, server),
        AsyncExitStack() as clients,
    ):
        yield Scene(port, pki, server, clients)


@pytest.fixture
def hello(pki: Pki) -> bytes:
    """The first message of a handshake, after which the gateway waits for the client."""
    outgoing = ssl.MemoryBIO()
    tls = pki.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("sent", [0, 1, 50, None], ids=["nothing", "a byte", "half", "a message"])
async def test_an_incomplete_handshake_is_closed_at_its_time_limit(pki, hello, sent):
    async with scene(pki, handshake_s=0.1) as s:
        peer = await s.connect(hello[:sent])
        await peer.rest()
        await until(lambda: not s.open)

        assert await s.serves()


async def test_a_trickled_handshake_does_not_extend_its_time_limit(pki, hello):
    async with scene(pki, handshake_s=0.3) as s:
        peer = await s.connect()

        async def trickle() -> None:
            for number in range(len(hello) - 1):
                peer.writer.write(hello[number : number + 1])
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert await peer.rest() == b""
        trickling.cancel()


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x00\x05nonsense"])
async def test_a_client_that_keeps_a_refused_connection_open_is_disconnected(pki, first):
    async with scene(pki, handshake_s=0.2) as s:
        peer = await s.connect(first)
        await peer.rest()

        peer.writer.write(b"more")
        await until(lambda: not s.open)


async def test_a_head_that_arrives_too_late_after_the_handshake_is_408(pki):
    async with scene(pki, head_s=0.1) as s:
        assert status_of(await (await s.secure(b"GET / HT")).rest()) == 408
        assert await (await s.secure()).rest() == b""


async def test_incomplete_handshakes_count_as_connections(pki, hello):
    async with scene(pki, connections=3) as s:
        served = await s.secure(KEPT)
        await served.reader.readuntil(b"\r\n\r\n")
        oldest = [await s.connect(), await s.connect(hello)]
        await until(lambda: len(s.open) == 3)
        served.writer.write(KEPT)
        await served.reader.readuntil(b"\r\n\r\n")

        for old in oldest:
            assert await s.serves()
            await old.rest()
            await s.connect()  # replaces the connection that was closed


async def test_a_new_handshake_over_the_limit_closes_the_oldest_and_no_other_connection(
    pki, hello, caplog
):
    async with scene(pki, handshakes=2) as s:
        idle = [await s.secure(KEPT) for _ in range(4)]
        oldest, *others = [await s.connect(hello) for _ in range(3)]

        await oldest.rest()
        assert await s.serves()
        assert len(s.open) >= len(idle) + 1
        for peer in idle:
            peer.writer.write(ONCE)
            assert (await peer.rest()).count(b"200 OK") == 2
        assert len(others) == 2

    assert "2 TLS handshakes are incomplete" in caplog.text


async def test_other_clients_are_served_during_a_flood_of_handshakes(pki, hello):
    async with scene(pki, connections=20) as s:
        for _ in range(3):
            for _ in range(50):
                await s.connect(hello)
            assert await s.serves()


@pytest.mark.parametrize("limit", [{"answer_s": 0.2}, {"unsent_bytes": 1_000_000}])
async def test_a_client_that_does_not_read_its_response_is_disconnected(pki, limit):
    app = Echo(LARGE)
    async with scene(pki, app, **limit) as s:
        peer = await s.secure(KEPT)
        await until(lambda: app.scopes and not s.open)

        assert len(await peer.rest()) < len(LARGE)


async def test_a_gateway_stops_in_spite_of_incomplete_handshakes(pki, hello):
    async with scene(pki) as s:
        peer = await s.connect(hello)
        await until(lambda: s.open)
        s.server.signalled(signal.SIGTERM)
        await until(lambda: not s.open)
    assert peer.writer.transport.is_closing()
