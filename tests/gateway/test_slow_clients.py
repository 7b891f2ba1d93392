"""Slow, numerous or oversized clients: they are disconnected, and others are still served."""

import asyncio
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest

from contracts.broker.attendance import Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.operation import Operation
from contracts.wire import Reply
from gateway.app import application
from gateway.calls.checks import Checks
from gateway.context import NOTHING, Context
from gateway.http.draining import Draining
from gateway.http.limits import Limits
from gateway.http.server import STOP_S, Server
from tests.gateway.served import TIMEOUT_S, exchange, request, serving, status_of, until

LONG_S = 3600.0
"""A time limit that no test reaches."""

MAX_BODY_BYTES = 1_000_000
HEAD = b"POST /any/controllers/shop/hello HTTP/1.1\r\nhost: gateway.test\r\n"
JSON = b"content-type: application/json\r\n"
SCALE = request(
    b"POST /any/controllers/shop/hello HTTP/1.1",
    b"content-type: application/json",
    b"content-length: 14",
    body=b'{"replicas":1}',
)
STATUS = b"GET /status HTTP/1.1\r\nhost: gateway.test\r\n\r\n"
QUERY = b"GET /any/machines/shop HTTP/1.1\r\nhost: gateway.test\r\n\r\n"
SMALL = 65_536
LARGE = b'"' + b"x" * 12_000_000 + b'"'
PATIENT = Limits(head_s=LONG_S, body_s=LONG_S, idle_s=LONG_S, answer_s=LONG_S)


class Caller:
    """A caller that returns `body` once `may_answer` is set."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.under_way = 0
        self.answered = 0
        self.body = b"{}"

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        self.under_way += 1
        await self.may_answer.wait()
        self.under_way -= 1
        self.answered += 1
        return Reply(200, self.body)


class Peer:
    """A client that reads only on demand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """Read one response with a body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return head + await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


class Scene:
    """A gateway behind its real server, with its clients."""

    def __init__(self, port: int, server: Server, caller: Caller, clients: AsyncExitStack) -> None:
        self.port = port
        self.server = server
        self.connections = server.server_state.connections
        self.caller = caller
        self._clients = clients

    async def connect(self, data: bytes = b"") -> Peer:
        """Connect and send data."""
        small = socket.socket()
        # With the default size the kernel would buffer the whole response.
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=small)
        self._clients.callback(writer.close)
        peer = Peer(reader, writer)
        await peer.send(data)
        return peer

    async def idle(self) -> Peer:
        """Return an idle connection after one request."""
        peer = await self.connect(STATUS)
        await peer.answer()
        return peer


@asynccontextmanager
async def scene(
    limits: Limits, draining: Draining | None = None, stop_s: float = STOP_S
) -> AsyncIterator[Scene]:
    caller = Caller()
    link, attendance = ReconnectingConnection("amqp://broker.test/", "test"), Attendance([])
    checks = Checks(attendance)
    app = application(caller, link, attendance, checks, MAX_BODY_BYTES, limits, draining)
    async with (
        asyncio.timeout(TIMEOUT_S),
        serving(app, limits, draining, stop_s) as (port, server),
        AsyncExitStack() as clients,
    ):
        yield Scene(port, server, caller, clients)


def limited(**changes: float) -> Limits:
    """Return limits of which only the given ones are reached."""
    return msgspec.structs.replace(PATIENT, **changes)


def problem(answer: bytes) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    return body


@pytest.mark.parametrize(
    "sent",
    [b"G", b"GET /status", b"GET /status HTTP/1.1\r\nhost: x", HEAD, HEAD + b"x: " + b"y" * 9000],
)
async def test_a_request_head_that_arrives_too_late_is_408(sent):
    async with scene(limited(head_s=0.1)) as s:
        answer = await (await s.connect(sent)).rest()

    assert status_of(answer) == 408
    assert problem(answer)["code"] == "request_timeout"
    assert b"connection: close" in answer


async def test_a_connection_without_a_request_is_closed():
    async with scene(limited(head_s=0.1)) as s:
        assert await (await s.connect()).rest() == b""


async def test_a_trickled_request_head_does_not_extend_its_time_limit():
    async with scene(limited(head_s=0.3)) as s:
        peer = await s.connect(HEAD)

        async def trickle() -> None:
            while True:
                await peer.send(b"x: y\r\n")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        answer = await peer.rest()
        trickling.cancel()

    assert status_of(answer) == 408


async def test_a_second_request_head_that_arrives_too_late_is_408():
    async with scene(limited(head_s=0.1)) as s:
        peer = await s.idle()
        await peer.send(b"\r\nGET /sta")

        assert status_of(await peer.rest()) == 408


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + JSON + b"content-length: 14\r\n\r\n",
        HEAD + JSON + b'content-length: 14\r\n\r\n{"replicas"',
        HEAD + JSON + b'transfer-encoding: chunked\r\n\r\n5\r\n{"rep\r\n',
        HEAD + JSON + b"content-length: 14\r\nexpect: 100-continue\r\n\r\n",
    ],
    ids=["nothing", "half", "one chunk", "after 100 Continue"],
)
async def test_a_body_that_arrives_too_late_is_408_with_the_command_id(sent):
    async with scene(limited(body_s=0.1)) as s:
        answer = (await (await s.connect(sent)).rest()).removeprefix(
            b"HTTP/1.1 100 Continue\r\n\r\n"
        )
        assert not s.caller.under_way

    assert status_of(answer) == 408
    assert b"connection: close" in answer
    assert problem(answer)["code"] == "request_timeout"
    assert problem(answer)["commandId"].encode() in answer.partition(b"\r\n\r\n")[0]


async def test_an_unread_body_that_arrives_too_late_closes_the_connection():
    async with scene(limited(body_s=0.1, head_s=0.1)) as s:
        peer = await s.connect(b"GET /status HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")

        assert status_of(await peer.answer()) == 200
        assert await peer.rest() == b""


async def test_an_idle_connection_is_closed_and_a_working_one_is_not():
    async with scene(limited(idle_s=0.1, head_s=0.1)) as s:
        s.caller.may_answer.clear()
        working = await s.connect(QUERY)
        pipelined = await s.connect(QUERY + b"GET /sta")
        for _ in range(2):
            assert await (await s.idle()).rest() == b""
        s.caller.may_answer.set()

        assert status_of(await working.answer()) == 200
        assert status_of(await pipelined.answer()) == 200


async def test_a_new_connection_over_the_limit_closes_the_longest_waiting_one():
    async with scene(limited(connections=4)) as s:
        s.caller.may_answer.clear()
        working = await s.connect(QUERY)
        oldest = [await s.connect(HEAD), await s.idle(), await s.connect(HEAD + JSON)]

        for old in oldest:
            assert status_of(await exchange(s.port, request(b"GET /status HTTP/1.1"))) == 200
            assert await old.rest() == b""
            await s.connect()  # replaces the connection that was closed
        s.caller.may_answer.set()

        assert status_of(await working.answer()) == 200


async def test_other_clients_are_served_during_a_flood_of_connections():
    async with scene(limited(connections=20)) as s:
        for _ in range(5):
            for _ in range(50):
                await s.connect(HEAD)
            assert status_of(await exchange(s.port, SCALE)) == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 40_000, 413),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n", 413),
        (HEAD + b"x: " + b"y" * 40_000, 413),
        (HEAD + b"x: y\r\n" * 200, 413),
        (HEAD + b"x: y\r\n" * 200 + b"\r\n", 413),
        (b"\r\n" * 40_000, 413),
        (HEAD + JSON + b"transfer-encoding: chunked\r\n\r\n1;" + b"x" * 400_000, 413),
        (HEAD + JSON + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 400_000, 413),
        (HEAD + JSON + b"transfer-encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (HEAD + b"no colon\r\n\r\n", 400),
    ],
    ids=["partial target", "target", "header", "partial headers", "headers", "blank lines",
         "chunk extension", "trailer", "chunk size", "header without colon"],
)  # fmt: skip
async def test_an_oversized_or_invalid_head_or_framing_gets_a_readable_error(sent, status):
    async with scene(PATIENT) as s:
        peer = await s.connect(sent)
        answer = await peer.answer()
        await peer.send(b"more" * 10_000)  # must not cause a reset
        peer.writer.close()

    assert status_of(answer) == status
    assert "expected" in problem(answer)["message"]


async def test_too_many_pipelined_requests_close_the_connection():
    async with scene(PATIENT) as s:
        s.caller.may_answer.clear()

        assert await (await s.connect(QUERY * 2000)).rest() == b""


async def test_pipelined_requests_are_answered_in_order():
    async with scene(PATIENT) as s:
        peer = await s.connect(QUERY * 10 + STATUS)
        answers = [await peer.answer() for _ in range(11)]

    assert [status_of(answer) for answer in answers] == [200] * 11
    assert b"version" in answers[-1]


async def test_a_slow_body_is_evicted_for_complete_bodies():
    async with scene(limited(held_bytes=100_000)) as s:
        head = HEAD + JSON + b"content-length: 60000\r\n\r\n"
        slow = [await s.connect(head + b" " * 50_000) for _ in range(3)]
        refused = await slow[0].answer()
        answers = [await exchange(s.port, SCALE) for _ in range(20)]

    assert status_of(refused) == 503
    assert problem(refused)["code"] == "gateway_busy"
    assert b"retry-after" in refused
    assert [status_of(answer) for answer in answers] == [200] * 20


async def test_the_body_of_a_command_is_held_until_the_response():
    body = b'{"replicas":1,"x":"' + b"x" * 60_000 + b'"}'
    large = HEAD + JSON + b"content-length: %d\r\n\r\n" % len(body) + body
    async with scene(limited(held_bytes=100_000)) as s:
        s.caller.may_answer.clear()
        first = await s.connect(large)
        await until(lambda: s.caller.under_way)
        second = await (await s.connect(large)).answer()
        s.caller.may_answer.set()
        third = await (await s.connect(large)).answer() if await first.answer() else b""

    assert status_of(second) == 503
    assert status_of(third) == 200


async def test_a_client_that_does_not_read_its_response_is_disconnected():
    async with scene(limited(answer_s=0.2)) as s:
        s.caller.body = LARGE
        peer = await s.connect(QUERY)
        await until(lambda: s.caller.answered and not s.connections)

        assert len(await peer.rest()) < len(LARGE)


async def test_unread_responses_over_the_limit_close_the_oldest_connection():
    async with scene(limited(unsent_bytes=13_000_000)) as s:
        s.caller.body = LARGE
        peers = []
        for number in range(1, 4):
            peers.append(await s.connect(QUERY))
            await until(lambda: s.caller.answered == number)  # noqa: B023 - awaited in the loop
        await until(lambda: s.caller.answered == 3 and len(s.connections) == 1)

        taken = [len(await each.rest()) for each in peers[:2]]
        assert max(taken) < len(LARGE)
        assert len(await peers[2].answer()) > len(LARGE)


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "expected"),
    [(256, 100_000, 5000, (5000, 2048)), (64, 1024, 16_384, (448, 448)), (64, 1024, 10, (10, 448))],
)
def test_the_connection_limit_reserves_file_descriptors(soft, hard, connections, expected):
    hard = min(hard, hard_limit())
    script = (
        "import resource; from gateway.http.limits import within_descriptors as within;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        f"print(within({connections}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    raised = min(hard, connections + 2048 + 128)
    assert done.stdout == f"{expected} {raised}\n"


def hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
