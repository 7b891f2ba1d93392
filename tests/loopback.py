"""Replaces the broker: a call becomes a message that a worker's dispatch runs in this process."""

import functools
import time
from collections.abc import Iterable
from typing import Any, Self, cast
from uuid import uuid4

from contracts import CONTRACT, address, topology, wire
from contracts.broker.attendance import Attendance
from contracts.broker.connection import Connection
from contracts.broker.errors import Unroutable
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.operation import Operation
from contracts.seal import SEALED, Seals
from contracts.wire import Header, Message, Reply
from gateway.app import application
from gateway.calls.checks import Checks
from gateway.context import NOTHING, Context
from gateway.http.server import OnRawPath
from gateway.routes import Caller
from worker.dispatch import Dispatch
from worker.messages.examination import Refusal
from worker.provider import Call

DEADLINE_S = 10.0
MAX_BODY_BYTES = 100_000


class Loopback:
    """A substitute for `gateway.rpc.Rpc` with the workers in this process.

    `messages` are the sent messages, `contexts` their contexts; `attendance` is real and probes a
    fake connection.
    """

    def __init__(
        self, *workers: Dispatch, seals: Seals | None = None, expected: Iterable[str] = ()
    ) -> None:
        self.messages: list[Message] = []
        self.contexts: list[Context] = []
        self.attendance = Attendance(expected)
        self.attendance.connected(
            cast(Connection, FakeConnection({worker.name for worker in workers}))
        )
        self._workers = {worker.name: worker for worker in workers}
        self._seals = seals or Seals([])

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        """Return the reply to an operation; raise a fault if it was not sent."""
        await self.attendance.require(provider)
        message = self._message(provider, operation, context)
        self.messages.append(message)
        self.contexts.append(context)
        try:
            reply = await self._workers[provider].run(message, Call.within(DEADLINE_S))
        except Refusal as refusal:
            reply = wire.reply_of(refusal)
        return reply if operation.row.safe else wire.with_command_id(reply, message.message_id)

    def _message(self, provider: str, operation: Operation[Any], context: Context) -> Message:
        row = operation.row
        where = address.address(operation)
        body, content_type = self._body(operation, where)
        now = time.time()
        headers: dict[str, Header] = {
            wire.HEADER_CONTRACT: CONTRACT,
            wire.HEADER_DEADLINE: int((now + DEADLINE_S) * 1000),
            **context.headers(),
        }
        identity = context.command_id or uuid4().hex
        return Message(
            exchange=topology.QUERIES if row.safe else topology.COMMANDS,
            key=address.routing_key(provider, row, where),
            body=body,
            type=row.name,
            message_id=identity,
            content_type=content_type,
            correlation_id=identity,
            reply_to="loopback",
            expiration=int(DEADLINE_S * 1000),
            timestamp=int(now),
            persistent=not row.safe,
            headers=headers,
        )

    def _body(self, operation: Operation[Any], where: str) -> tuple[bytes, str]:
        row = operation.row
        body = wire.encode(operation)
        secret = row.secret is not None and address.find(operation, row.secret) is not None
        if secret or (row.seal and self._seals.can_seal):
            return self._seals.seal(body, row.name, where), SEALED
        return body, wire.JSON


class Front:
    """Lets one application, which is slow to create, serve each test with another caller."""

    behind: Caller

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        """Return the reply of the current caller."""
        return await self.behind.call(provider, operation, context)


def gateway_over(caller: Caller) -> OnRawPath:
    """Return a gateway's application that uses this caller instead of RPC, until the next call."""
    front, app = _application()
    front.behind = caller
    return app


@functools.cache
def _application() -> tuple[Front, OnRawPath]:
    front = Front()
    link = ReconnectingConnection("amqp://broker.test/", "test")
    return front, application(front, link, Attendance([]), Checks(Attendance([])), MAX_BODY_BYTES)


class FakeConnection:
    """A fake connection and channel with the queries queues of some providers."""

    is_closed = False

    def __init__(self, providers: set[str]) -> None:
        self._queues = {topology.queries_queue(name) for name in providers}

    async def channel(self) -> Self:
        return self

    def silence(self) -> float:
        return 0.0

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        """Accept a probe if the provider has a queue."""
        provider = message.key.partition(".")[0]
        if topology.queries_queue(provider) not in self._queues and mandatory:
            raise Unroutable(provider)

    async def consumers(self, queue: str) -> int:
        """Return one consumer for each existing queue."""
        return int(queue in self._queues)
