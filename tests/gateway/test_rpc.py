"""Calls on a fake connection: session ends, deadlines, sealing and limits."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from contracts import topology, wire
from contracts.api import GetMachines, UpdateControllerReplicas
from contracts.broker.attendance import Attendance
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.freshness import announcement
from contracts.operation import Operation
from contracts.seal import SEALED, Seals
from contracts.topology import Topology
from contracts.wire import Header, Message
from gateway.calls.address_limit import MAX_WAITING
from gateway.calls.checks import Checks
from gateway.calls.known_versions import KnownVersions
from gateway.context import Context
from gateway.rpc import Rpc
from tests.examples import EXAMPLES

STEPS = 10
QUERY = GetMachines("default")
COMMAND = UpdateControllerReplicas("default", "hello", 3)
OTHER = UpdateControllerReplicas("default", "other", 3)


class Channel:
    """A channel that accepts every message and confirms none."""

    is_closed = False
    receive: Callable[[Delivery], None]

    def __init__(self, published: list[Message]) -> None:
        self._published = published
        self._lost = asyncio.get_running_loop().create_future()

    async def lost(self) -> None:
        await self._lost
        raise ConnectionLost("lost")

    def lose(self) -> None:
        self._lost.set_result(None)

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        self._published.append(message)
        await asyncio.get_running_loop().create_future()

    async def consume(self, queue: str, receive: Callable[[Delivery], None], **_: Any) -> None:
        self.receive = receive

    async def accept(self, *_: Any, **__: Any) -> int:
        """Accept a declaration; count one consumer."""
        return 1

    has_exchange = consumers = bind = unbind = close = accept


class Broker:
    """A connection that keeps its channels and the published messages."""

    user = None

    def __init__(self) -> None:
        self.channels: list[Channel] = []
        self.published: list[Message] = []

    async def channel(self) -> Channel:
        self.channels.append(Channel(self.published))
        return self.channels[-1]

    def answer(self, request: Message, **headers: Header) -> None:
        """Reply like a worker."""
        reply = Message(
            exchange=topology.REPLIES,
            key=request.reply_to or "",
            body=b"{}",
            type=request.type,
            message_id="reply",
            correlation_id=request.correlation_id,
            headers={wire.HEADER_STATUS: 200, **headers},
        )
        self.deliver(reply)

    def deliver(self, message: Message) -> None:
        """Deliver a message on the first of a session's three channels, that of replies."""
        self.channels[-3].receive(Delivery(message, tag=1, redelivered=False, returns=0))

    def is_blocked(self) -> bool:
        return False

    async def pulse(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def confirms(self, channel: Channel) -> None:
        await asyncio.get_running_loop().create_future()


class AllAttended(Attendance):
    """An attendance with a worker for every provider until `has_workers` is false."""

    has_workers = True

    def is_announced(self, provider: str) -> bool:
        return self.has_workers

    async def is_attended(self, provider: str) -> bool:
        return self.has_workers

    def tells_versions(self, provider: str) -> bool:
        return provider != "former"


class NoChecks(Checks):
    """Checks that do nothing."""

    def __init__(self) -> None:
        super().__init__(Attendance(()))

    async def run(self, connection: Connection, own: Topology, replies: str) -> None:
        """Do nothing."""


class Link(ReconnectingConnection):
    """A connection with an event for the start of its session."""

    def __init__(self) -> None:
        super().__init__("amqp://nowhere", "test")
        self.is_ready = asyncio.Event()

    def ready(self) -> None:
        self.is_ready.set()


def rpc_of(
    link: ReconnectingConnection,
    attendance: Attendance,
    milliseconds: int,
    in_flight: int,
    known: KnownVersions | None = None,
) -> Rpc:
    """Return an `Rpc` with a deadline in milliseconds and a limit of calls in flight."""
    return Rpc(
        "g",
        link,
        attendance,
        Seals([]),
        deadlines_ms=(milliseconds, milliseconds),
        in_flight=in_flight,
        on_refused=lambda *_: None,
        checks=NoChecks(),
        known=known,
    )


async def outcome(rpc: Rpc, operation: Operation[Any] = QUERY) -> str:
    """Return the code of a call's fault, else `answered`."""
    try:
        await rpc.call("k8s", operation)
    except Fault as fault:
        return fault.code
    return "answered"


async def published(broker: Broker, number: int) -> None:
    """Wait until a number of messages has been published."""
    async with asyncio.timeout(60):
        while len(broker.published) < number:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "end",
    [
        lambda session, broker: session.cancel(),
        lambda session, broker: broker.channels[-1].lose(),
    ],
    ids=["the connection is lost", "a channel is lost"],
)
async def test_a_call_during_the_end_of_a_session_is_a_503_or_a_504(
    end: Callable[[asyncio.Task[None], Broker], None],
) -> None:
    link = Link()
    rpc = rpc_of(link, AllAttended(()), 100, 100)
    broker = Broker()
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    end(session, broker)
    calls = []
    for _ in range(STEPS):
        calls.append(asyncio.create_task(outcome(rpc)))
        await asyncio.sleep(0)
    codes = {await call for call in calls}
    await asyncio.wait([session])
    assert session.cancelled() or session.exception()

    assert codes <= {Code.BROKER_UNREACHABLE, Code.DEADLINE_EXCEEDED}


async def test_a_query_without_a_worker_fails_early_and_a_command_at_its_deadline():
    """A 503 promises that nothing will be attempted; a command may have been run."""
    link, attendance = Link(), AllAttended(())
    rpc = rpc_of(link, attendance, 1500, 2)
    session = asyncio.create_task(rpc.session(cast(Connection, Broker())))
    await link.is_ready.wait()

    calls = [asyncio.create_task(outcome(rpc, operation)) for operation in (QUERY, COMMAND)]
    await asyncio.sleep(0)
    attendance.has_workers = False

    assert [await call for call in calls] == [Code.PROVIDER_UNATTENDED, Code.DEADLINE_EXCEEDED]
    session.cancel()


async def test_a_call_that_ended_no_longer_counts_as_in_flight():
    link = Link()
    rpc = rpc_of(link, AllAttended(()), 100, 1)
    session = asyncio.create_task(rpc.session(cast(Connection, Broker())))
    await link.is_ready.wait()

    first = asyncio.create_task(outcome(rpc))
    await asyncio.sleep(0)
    assert await outcome(rpc) == Code.GATEWAY_BUSY
    assert await first == Code.DEADLINE_EXCEEDED

    assert await outcome(rpc) == Code.DEADLINE_EXCEEDED
    session.cancel()


@pytest.mark.parametrize("operation", [QUERY, COMMAND], ids=["query", "command"])
async def test_a_message_has_its_deadline_as_a_time_and_as_an_expiration(operation):
    link, broker = Link(), Broker()
    rpc = rpc_of(link, AllAttended(()), 200, 1)
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    start = time.time()
    await outcome(rpc, operation)
    session.cancel()

    [message] = broker.published
    assert message.expiration == 200
    assert 0.19 < int(message.headers["deadline"]) / 1000 - start < 1.0
    assert message.persistent is not operation.row.safe


async def test_a_manifest_is_sealed_if_there_is_a_key():
    link, broker = Link(), Broker()
    rpc = Rpc(
        "g",
        link,
        AllAttended(()),
        Seals([b"k" * 32]),
        deadlines_ms=(50, 50),
        in_flight=1,
        on_refused=lambda *_: None,
        checks=NoChecks(),
    )
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    for name in ("apply_controller", "apply_workload", "apply_secret"):
        await outcome(rpc, EXAMPLES[name])
    session.cancel()

    assert [message.content_type for message in broker.published] == [SEALED] * 3


async def test_an_unresponsive_address_is_limited_and_others_are_not():
    link, broker = Link(), Broker()
    rpc = rpc_of(link, AllAttended(()), 30_000, 10 * MAX_WAITING)
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()
    operations: list[Operation[Any]] = [*[COMMAND] * MAX_WAITING, OTHER, QUERY]
    calls = [asyncio.create_task(outcome(rpc, operation)) for operation in operations]
    await published(broker, len(calls))

    message = rf"{MAX_WAITING} commands to controllers\.default\.hello of"
    with pytest.raises(Fault, match=message) as raised:
        await rpc.call("k8s", COMMAND)

    assert raised.value.code is Code.GATEWAY_BUSY
    assert raised.value.retry_after
    assert len(broker.published) == len(calls)
    for request in broker.published:
        broker.answer(request)
    assert {await call for call in calls} == {"answered"}
    session.cancel()


async def test_an_answered_or_cancelled_command_frees_its_place_in_the_limit():
    link, broker = Link(), Broker()
    rpc = rpc_of(link, AllAttended(()), 30_000, 10 * MAX_WAITING)
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()
    calls = [asyncio.create_task(outcome(rpc, COMMAND)) for _ in range(MAX_WAITING)]
    await published(broker, MAX_WAITING)

    broker.answer(broker.published[0])
    calls[1].cancel()
    await asyncio.wait(calls[:2])

    more = [asyncio.create_task(outcome(rpc, COMMAND)) for _ in range(3)]
    await published(broker, MAX_WAITING + 2)
    assert await more[2] == Code.GATEWAY_BUSY
    for message in broker.published:
        broker.answer(message)
    assert {await call for call in more[:2]} == {"answered"}
    session.cancel()


async def test_a_command_past_its_deadline_frees_its_place_in_the_limit():
    link, broker = Link(), Broker()
    rpc = rpc_of(link, AllAttended(()), 100, 10 * MAX_WAITING)
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    for _ in range(2):
        calls = [asyncio.create_task(outcome(rpc, COMMAND)) for _ in range(MAX_WAITING)]
        assert {await call for call in calls} == {Code.DEADLINE_EXCEEDED}

    assert len(broker.published) == 2 * MAX_WAITING
    session.cancel()


def test_the_limit_of_eight_gateways_per_address_fits_into_the_prefetch():
    assert topology.PREFETCH >= 8 * MAX_WAITING


async def test_a_command_is_published_under_the_command_id_of_its_504():
    link = Link()
    rpc = rpc_of(link, AllAttended(()), 100, 1)
    broker = Broker()
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    with pytest.raises(Fault) as raised:
        await rpc.call("k8s", COMMAND, Context(command_id="c-1"))
    session.cancel()

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert [each.message_id for each in broker.published] == ["c-1"]


@asynccontextmanager
async def knowing(milliseconds: int = 30_000) -> AsyncIterator[tuple[Rpc, Broker]]:
    """Run a session that knows versions, and was connected long ago."""
    now = [0.0]
    link, broker = Link(), Broker()
    rpc = rpc_of(link, AllAttended(()), milliseconds, 10, KnownVersions(lambda: now[0]))
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()
    now[0] += 3600
    yield rpc, broker
    session.cancel()


async def test_a_query_requires_the_versions_that_were_announced_before_it() -> None:
    async with knowing() as (rpc, broker):
        broker.deliver(announcement("k8s.default", {"pods": 7}))
        call = asyncio.create_task(rpc.call("k8s", QUERY))
        await published(broker, 1)
        broker.answer(broker.published[0], versions="pods=6", age=1500)
        reply = await call

    assert [each.headers["versions"] for each in broker.published] == ["pods=7"]
    assert reply.age_ms == 1500


async def test_a_reply_that_is_older_than_an_announcement_before_it_is_asked_for_again() -> None:
    async with knowing() as (rpc, broker):
        call = asyncio.create_task(rpc.call("k8s", QUERY))
        await published(broker, 1)
        broker.deliver(announcement("k8s.default", {"pods": 7}))
        broker.answer(broker.published[0], versions="pods=6", age=5)
        await published(broker, 2)
        broker.deliver(announcement("k8s.default", {"pods": 8}))
        broker.answer(broker.published[1], versions="pods=7", age=5)
        await call

    first, second = broker.published
    assert (first.headers["versions"], second.headers["versions"]) == ("", "pods=7")
    assert second.message_id != first.message_id
    assert second.headers["deadline"] == first.headers["deadline"]
    assert (second.expiration or 0) <= (first.expiration or 0)


async def test_a_query_requires_the_versions_of_earlier_answers() -> None:
    async with knowing() as (rpc, broker):
        for version in (6, 5):
            call = asyncio.create_task(rpc.call("k8s", QUERY))
            await published(broker, 1)
            broker.answer(broker.published[-1], versions=f"pods={version}", age=5)
            await call
            last = broker.published.pop()

    assert last.headers["versions"] == "pods=6"


async def test_a_client_limits_the_age_of_the_answer() -> None:
    async with knowing(50) as (rpc, broker):
        for max_age in (0.0, 2.0, None):
            with pytest.raises(Fault):
                await rpc.call("k8s", QUERY, Context(max_age_s=max_age))

    assert [each.headers.get("max-age") for each in broker.published] == [0, 2000, None]


async def test_workers_of_an_earlier_version_are_not_permitted_to_answer_from_copies() -> None:
    async with knowing(50) as (rpc, broker):
        with pytest.raises(Fault):
            await rpc.call("former", QUERY)
        with pytest.raises(Fault):
            await rpc.call("k8s", COMMAND)

    sent = broker.published[:2]
    assert [each.type for each in sent] == ["get_machines", "update_controller_replicas"]
    assert ["versions" in each.headers for each in sent] == [False, False]


async def test_a_command_without_a_reply_is_announced_to_all_gateways() -> None:
    async with knowing(50) as (rpc, broker):
        with pytest.raises(Fault):
            await rpc.call("k8s", COMMAND)
        announced = broker.published[1]
        with pytest.raises(Fault):
            await rpc.call("k8s", QUERY)

    assert (announced.exchange, announced.key) == (topology.REPLIES, topology.ATTENDANCE)
    assert announced.headers["scope"] == "k8s.default"
    assert re.fullmatch("commands-[0-9a-f]{12}=1", str(announced.headers["versions"]))
    assert broker.published[-1].headers["versions"] == announced.headers["versions"]


async def test_a_copy_that_does_not_name_a_command_announced_meanwhile_is_asked_for_again() -> None:
    async with knowing() as (rpc, broker):
        call = asyncio.create_task(rpc.call("ecs", QUERY))
        await published(broker, 1)
        broker.deliver(announcement("ecs.default", {"commands-a": 3}))
        broker.answer(broker.published[0], versions="*=0", age=5)
        await published(broker, 2)
        broker.answer(broker.published[1], versions="*=0", age=5)
        await call

    assert [each.headers["versions"] for each in broker.published] == ["", "commands-a=3"]
