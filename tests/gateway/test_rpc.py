"""Calls while their session ends: a 503 or a 504, and never a bug of ours."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from contracts.api import GetMachines, UpdateControllerReplicas
from contracts.broker.attendance import Attendance
from contracts.broker.errors import ConnectionLost
from contracts.broker.link import Connection, Link
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.seal import SEALED, Seals
from contracts.wire import Message
from gateway.rpc import Rpc
from tests.examples import EXAMPLES

STEPS = 10
QUERY = GetMachines("default")
COMMAND = UpdateControllerReplicas("default", "hello", 3)


class Channel:
    """A channel that takes everything and answers nothing."""

    is_closed = False

    def __init__(self, published: list[Message]) -> None:
        self._published = published
        self._lost = asyncio.get_running_loop().create_future()

    async def lost(self) -> None:
        await self._lost
        raise ConnectionLost("gone")

    def lose(self) -> None:
        self._lost.set_result(None)

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        self._published.append(message)
        await asyncio.get_running_loop().create_future()

    async def nothing(self, *_: Any, **__: Any) -> int:
        """Let it be declared, and be attended."""
        return 1

    has_exchange = consumers = bind = unbind = consume = close = nothing


class Broker:
    """A connection; its channels are at hand."""

    user = None

    def __init__(self) -> None:
        self.channels: list[Channel] = []
        self.published: list[Message] = []

    async def channel(self) -> Channel:
        self.channels.append(Channel(self.published))
        return self.channels[-1]

    async def is_blocked(self) -> bool:
        return False

    async def pulse(self, queue: str) -> None:
        await asyncio.get_running_loop().create_future()

    async def confirms(self, channel: Channel) -> None:
        await asyncio.get_running_loop().create_future()


class Everybody(Attendance):
    """Every provider is attended when it is asked for, until its workers are gone."""

    are_gone = False

    async def require(self, provider: str) -> None:
        """Nobody is missed."""

    async def consumers(self, provider: str) -> int | None:
        return 0 if self.are_gone else 1


class Up(Link):
    """A link that tells when its session has begun."""

    def __init__(self) -> None:
        super().__init__("amqp://nowhere", "test")
        self.is_ready = asyncio.Event()

    def ready(self) -> None:
        self.is_ready.set()


def rpc_of(link: Link, attendance: Attendance, milliseconds: int, in_flight: int) -> Rpc:
    """Calls that may take so many milliseconds, so many at once."""
    return Rpc(
        "g",
        link,
        attendance,
        Seals([]),
        deadlines_ms=(milliseconds, milliseconds),
        in_flight=in_flight,
        refused=lambda *_: None,
    )


async def outcome(rpc: Rpc, operation: Operation[Any] = QUERY) -> str:
    """What becomes of a call."""
    try:
        await rpc.call("k8s", operation)
    except Fault as fault:
        return fault.code
    return "answered"


@pytest.mark.parametrize(
    "end",
    [
        lambda session, broker: session.cancel(),
        lambda session, broker: broker.channels[-1].lose(),
    ],
    ids=["the connection is lost", "a channel is lost"],
)
async def test_no_call_fails_unexpectedly_in_whichever_step_of_the_end_it_begins(
    end: Callable[[asyncio.Task[None], Broker], None],
) -> None:
    link = Up()
    rpc = rpc_of(link, Everybody(()), 100, 100)
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


async def test_a_command_whose_worker_is_gone_waits_for_its_deadline_and_a_query_does_not():
    """Only for what changes nothing can a 503 promise that nothing will be."""
    link, attendance = Up(), Everybody(())
    rpc = rpc_of(link, attendance, 1500, 2)
    session = asyncio.create_task(rpc.session(cast(Connection, Broker())))
    await link.is_ready.wait()

    calls = [asyncio.create_task(outcome(rpc, operation)) for operation in (QUERY, COMMAND)]
    await asyncio.sleep(0)
    attendance.are_gone = True

    assert [await call for call in calls] == [Code.PROVIDER_UNATTENDED, Code.DEADLINE_EXCEEDED]
    session.cancel()


async def test_a_call_that_ended_leaves_its_place_to_another():
    link = Up()
    rpc = rpc_of(link, Everybody(()), 100, 1)
    session = asyncio.create_task(rpc.session(cast(Connection, Broker())))
    await link.is_ready.wait()

    first = asyncio.create_task(outcome(rpc))
    await asyncio.sleep(0)
    assert await outcome(rpc) == Code.GATEWAY_BUSY
    assert await first == Code.DEADLINE_EXCEEDED

    assert await outcome(rpc) == Code.DEADLINE_EXCEEDED
    session.cancel()


@pytest.mark.parametrize("operation", [QUERY, COMMAND], ids=["query", "command"])
async def test_what_is_published_bears_its_deadline_as_a_moment_and_as_a_duration(operation):
    link, broker = Up(), Broker()
    rpc = rpc_of(link, Everybody(()), 200, 1)
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    asked_at = time.time()
    await outcome(rpc, operation)
    session.cancel()

    [message] = broker.published
    assert message.expiration == 200
    assert 0.19 < int(message.headers["deadline"]) / 1000 - asked_at < 1.0
    assert message.persistent is not operation.row.safe


async def test_a_manifest_that_may_hold_secrets_travels_sealed_where_there_is_a_key():
    link, broker = Up(), Broker()
    rpc = Rpc(
        "g",
        link,
        Everybody(()),
        Seals([b"k" * 32]),
        deadlines_ms=(50, 50),
        in_flight=1,
        refused=lambda *_: None,
    )
    session = asyncio.create_task(rpc.session(cast(Connection, broker)))
    await link.is_ready.wait()

    for name in ("apply_controller", "apply_workload", "apply_secret"):
        await outcome(rpc, EXAMPLES[name])
    session.cancel()

    assert [message.content_type for message in broker.published] == [SEALED] * 3
