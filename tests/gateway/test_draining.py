"""The stop of a gateway: readiness, the drain, and a close of connections that loses no request."""

import asyncio
import signal
import socket

import pytest
import uvloop

from contracts.broker.reconnecting import ReconnectingConnection
from gateway.http.draining import DRAINING, STARTING, STARTING_S, Draining, not_ready
from tests.gateway.served import TIMEOUT_S, exchange, request, status_of, until
from tests.gateway.test_slow_clients import (
    HEAD,
    JSON,
    MAX_BODY_BYTES,
    PATIENT,
    QUERY,
    STATUS,
    Scene,
    limited,
    problem,
    scene,
)

DRAIN_S = 10.0
READY = request(b"GET /ready HTTP/1.1")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def draining(clock: Clock) -> Draining:
    return Draining(DRAIN_S, clock)


def end(s: Scene) -> None:
    """End the drain."""
    s.server.signalled(signal.SIGTERM)
    s.server.signalled(signal.SIGTERM)


def received(client: socket.socket) -> bytes:
    """Receive a response whose body is a JSON object, or what comes before the close."""
    answer = b""
    while not answer.endswith(b"}") and (part := client.recv(10_000)):
        answer += part
    return answer


def is_last(answer: bytes) -> bool:
    """Tell whether a response announces the close of its connection."""
    return b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower()


def test_a_gateway_is_ready_from_its_first_connection_to_the_broker_until_the_signal(draining):
    link = ReconnectingConnection("amqp://broker.test/", "test")
    assert not_ready(draining, link) == STARTING
    link.ready()
    assert not_ready(draining, link) is None
    link.since = None  # the connection is lost
    assert not_ready(draining, link) is None

    draining.signalled()

    assert not_ready(draining, link) == DRAINING


def test_a_gateway_that_finds_no_broker_is_ready_after_a_while(draining, clock):
    link = ReconnectingConnection("amqp://broker.test/", "test")

    clock.seconds += STARTING_S

    assert not_ready(draining, link) is None


def test_a_drain_ends_after_its_time_or_with_the_second_signal(clock):
    first, second = Draining(DRAIN_S, clock), Draining(DRAIN_S, clock)
    for each in (first, second):
        assert (each.is_begun, each.is_over) == (False, False)
        each.signalled()
        assert (each.is_begun, each.is_over) == (True, False)
    second.signalled()
    assert second.is_over

    clock.seconds += DRAIN_S
    assert first.is_over


async def test_a_draining_gateway_serves_new_connections_and_is_not_ready(draining):
    async with scene(PATIENT, draining) as s:
        s.server.signalled(signal.SIGTERM)

        assert status_of(await exchange(s.port, request(b"GET /any/machines/shop HTTP/1.1"))) == 200
        ready = await exchange(s.port, READY)

    assert status_of(ready) == 503
    assert problem(ready)["status"] == "draining"


async def test_every_response_of_a_draining_gateway_is_the_last_one_of_its_connection(draining):
    async with scene(PATIENT, draining) as s:
        s.caller.may_answer.clear()
        idle, working = await s.idle(), await s.connect(QUERY)
        await until(lambda: s.caller.under_way)
        s.server.signalled(signal.SIGTERM)
        new = await s.connect(STATUS)
        await idle.send(STATUS)
        s.caller.may_answer.set()

        for peer in (working, new, idle):
            answer = await peer.answer()
            assert status_of(answer) == 200
            assert is_last(answer)
            assert await peer.rest() == b""


async def test_an_idle_connection_is_open_until_the_drain_is_over(draining, clock):
    async with scene(PATIENT, draining) as s:
        idle = await s.idle()
        s.server.signalled(signal.SIGTERM)
        assert status_of(await exchange(s.port, request(b"GET /status HTTP/1.1"))) == 200
        await until(lambda: len(s.connections) == 1)

        clock.seconds += DRAIN_S

        assert await idle.rest() == b""


@pytest.mark.parametrize(
    ("first", "rest", "status"),
    [
        (b"GET /sta", b"tus HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        (HEAD + JSON + b"content-length: 14\r\n\r\n", b'{"replicas":1}', 200),
        (HEAD + JSON + b"transfer-encoding: chunked\r\n\r\n7\r\n{", b"}      \r\n0\r\n\r\n", 400),
    ],
    ids=["head", "body", "chunk"],
)
async def test_a_request_that_has_partly_arrived_is_answered_after_the_drain(
    draining, first, rest, status
):
    async with scene(PATIENT, draining) as s:
        new, used = await s.connect(first), await s.idle()
        await used.send(first)
        end(s)
        await until(lambda: not s.server.servers[0].is_serving())

        for peer in (new, used):
            await peer.send(rest)
            answer = await peer.answer()
            assert status_of(answer) == status
            assert is_last(answer)


async def test_a_request_that_the_server_has_not_read_yet_keeps_its_connection_open():
    async with scene(PATIENT) as s:
        with socket.create_connection(("127.0.0.1", s.port)) as client:
            client.settimeout(TIMEOUT_S)
            client.sendall(STATUS)
            first = await asyncio.to_thread(received, client)
            [connection] = s.connections
            client.sendall(STATUS)  # without a turn of the event loop before the close
            connection.shutdown()
            second = await asyncio.to_thread(received, client)

    assert status_of(first) == status_of(second) == 200


class Arriving(Draining):
    """A drain at whose end connections arrive that the event loop has not accepted."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        self.port = 0
        self.clients: list[socket.socket] = []
        self._connections = connections

    @property
    def is_over(self) -> bool:
        if super().is_over:
            while len(self.clients) < self._connections:
                client = socket.create_connection(("127.0.0.1", self.port))
                client.settimeout(TIMEOUT_S)
                client.sendall(STATUS)
                self.clients.append(client)
        return super().is_over


def test_connections_in_the_backlog_are_served_when_listening_ends():
    arriving = Arriving(connections=100)

    async def answers() -> list[bytes]:
        async with scene(limited(close_s=0.2), arriving) as s:
            arriving.port = s.port
            arriving.signalled()
            await until(lambda: len(arriving.clients) == 100)
            return [await asyncio.to_thread(received, each) for each in arriving.clients]

    answered = uvloop.run(answers())  # accepts one connection per turn, unlike asyncio's loop
    for each in arriving.clients:
        each.close()
    assert len(answered) == 100
    assert all(status_of(each) == 200 and is_last(each) for each in answered)


async def test_a_new_connection_has_time_for_its_first_request_when_listening_ends():
    async with scene(limited(first_s=0.5)) as s:
        new, unused = await s.connect(), await s.connect()
        await until(lambda: len(s.connections) == 2)
        s.server.signalled(signal.SIGTERM)
        await until(lambda: not s.server.servers[0].is_serving())
        await new.send(STATUS)

        assert status_of(await new.answer()) == 200
        assert await unused.rest() == b""


async def test_a_refusal_is_readable_while_the_client_still_sends_the_body(draining):
    length = 20 * MAX_BODY_BYTES
    async with scene(PATIENT, draining) as s:
        s.server.signalled(signal.SIGTERM)
        peer = await s.connect(HEAD + JSON + b"content-length: %d\r\n\r\n" % length)
        for _ in range(length // MAX_BODY_BYTES):
            await peer.send(b" " * MAX_BODY_BYTES)  # a reset would fail here
        answer = await peer.answer()

    assert status_of(answer) == 413
    assert is_last(answer)


async def test_a_client_that_does_not_close_after_its_last_response_is_disconnected(draining):
    async with scene(limited(close_s=0.1), draining) as s:
        s.server.signalled(signal.SIGTERM)
        await (await s.connect(STATUS)).answer()

        await until(lambda: not s.connections)


async def test_a_request_without_an_end_is_cut_at_the_limit_of_the_stop():
    async with scene(PATIENT, stop_s=0.3) as s:
        s.caller.may_answer.clear()
        peer = await s.connect(QUERY)
        await until(lambda: s.caller.under_way)
        s.server.signalled(signal.SIGTERM)

        assert await peer.rest() == b""


async def test_interrupting_a_stopping_gateway_ends_its_requests():
    async with scene(PATIENT) as s:
        s.caller.may_answer.clear()
        peer = await s.connect(QUERY)
        await until(lambda: s.caller.under_way)
        s.server.signalled(signal.SIGINT)
        await until(lambda: not s.server.servers[0].is_serving())
        s.server.signalled(signal.SIGINT)

        assert await peer.rest() == b""
