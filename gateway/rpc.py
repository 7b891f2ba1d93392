"""Calls: publishes an operation, awaits its reply, and knows what to say when there is none."""

import asyncio
import logging
import time
from typing import Any
from uuid import uuid4

import msgspec

from contracts import CONTRACT, VERSION, address, topology, wire
from contracts.broker.attendance import Attendance
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.errors import BrokerError, ConnectionLost
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.seal import SEALED, Seals
from contracts.wire import Message, Reply
from gateway.address_limit import AddressLimit
from gateway.answers import reply_in
from gateway.checks import Checks
from gateway.context import NOTHING, Context
from gateway.resuming import resume
from gateway.session import Pending, Refused, Session, unattended

log = logging.getLogger(__name__)

GRACE_S = 0.25
ADMISSION_S = 0.9
WATCH_S = 0.25
UNCONFIRMED_S = 2.0
"""The wait for the reply to a command whose confirm was lost with its connection."""


class Rpc:
    """Operations in, replies out, over whichever connection is up."""

    def __init__(
        self,
        gateway: str,
        link: ReconnectingConnection,
        attendance: Attendance,
        seals: Seals,
        *,
        deadlines_ms: tuple[int, int],
        in_flight: int,
        refused: Refused,
        checks: Checks,
    ) -> None:
        """`deadlines_ms` are those of queries and of commands.

        `refused` is told of the commands that the broker turned away.
        """
        self._gateway = gateway
        self._link = link
        self._attendance = attendance
        self._seals = seals
        self._queries_ms, self._commands_ms = deadlines_ms
        self._most_in_flight = in_flight
        self._refused = refused
        self._checks = checks
        self._in_flight = 0
        self._addresses = AddressLimit()
        self._pending: dict[str, Pending] = {}
        self._connections = 0
        self._session: Session | None = None

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        """The reply to an operation; raises a fault when there is none.

        Before the publish it may be a 503, which promises that nothing was attempted. After it
        there is a reply, the broker's refusal, or a 504.
        """
        if self._in_flight >= self._most_in_flight:
            raise Fault(Code.GATEWAY_BUSY, f"{self._in_flight} requests are under way already")
        self._in_flight += 1
        try:
            session = await self._admit(provider)
            pending = self._prepare(provider, operation, session, context)
            if pending.safe:
                return await self._exchange(session, pending)
            with self._addresses.hold(pending.message.key):
                return await self._exchange(session, pending)
        finally:
            self._in_flight -= 1

    async def _admit(self, provider: str) -> Session:
        """The session to publish on, if the broker takes publishes and somebody is there."""
        try:
            async with asyncio.timeout(ADMISSION_S):
                session = self._session
                if session is None or session.is_over:
                    raise ConnectionLost(self._link.reason)
                if await session.connection.is_blocked():
                    raise Fault(Code.BROKER_BLOCKED, "the broker's memory or disk alarm is on")
                await self._attendance.require(provider)
                if session.is_over:
                    raise ConnectionLost(self._link.reason)
                return session
        except TimeoutError as error:
            raise Fault(Code.BROKER_UNREACHABLE, "the broker does not answer") from error
        except BrokerError as error:
            raise Fault(Code.BROKER_UNREACHABLE, f"no connection to the broker: {error}") from error

    def _prepare(
        self,
        provider: str,
        operation: Operation[Any],
        session: Session,
        context: Context,
    ) -> Pending:
        row = operation.row
        where = address.address(operation)
        body, content_type = self._body(operation, where)
        milliseconds = self._queries_ms if row.safe else self._commands_ms
        now = time.time()
        headers: dict[str, wire.Header] = {
            wire.HEADER_CONTRACT: CONTRACT,
            wire.HEADER_DEADLINE: int(now * 1000) + milliseconds,
            **context.headers(),
        }
        identity = context.command_id or uuid4().hex
        message = Message(
            exchange=topology.QUERIES if row.safe else topology.COMMANDS,
            key=address.routing_key(provider, row, where),
            body=body,
            type=row.name,
            message_id=identity,
            content_type=content_type,
            correlation_id=identity,
            reply_to=session.replies,
            expiration=milliseconds,
            timestamp=int(now),
            app_id=f"gateway/{VERSION}",
            user_id=session.connection.user,
            persistent=not row.safe,
            headers=headers,
        )
        return Pending(provider, message, safe=row.safe, deadline=now + milliseconds / 1000)

    def _body(self, operation: Operation[Any], where: str) -> tuple[bytes, str]:
        row = operation.row
        body, content_type = wire.encode(operation), wire.JSON
        secret = row.secret is not None and address.find(operation, row.secret) is not None
        if secret or (row.seal and self._seals.can_seal):
            body, content_type = self._seals.seal(body, row.name, where), SEALED
        if len(body) > topology.MESSAGE_LIMIT:
            raise Fault(
                Code.REQUEST_TOO_LARGE,
                f"{row.name} has {len(body)} bytes as a message: expected at most "
                f"{topology.MESSAGE_LIMIT}",
            )
        return body, content_type

    async def _exchange(self, session: Session, pending: Pending) -> Reply:
        identity = pending.message.message_id
        self._pending[identity] = pending
        try:
            async with asyncio.timeout(pending.deadline - time.time() + GRACE_S):
                session.publish(pending)
                return await pending.reply
        except TimeoutError as error:
            raise Fault(
                Code.DEADLINE_EXCEEDED,
                f"no reply to {pending.message.type} within its deadline; "
                + ("it changes nothing" if pending.safe else "it may or may not have happened"),
            ) from error
        finally:
            del self._pending[identity]

    async def session(self, connection: Connection) -> None:
        """Serve calls over this connection until it is lost."""
        self._connections += 1
        own = topology.of_gateway(self._gateway, self._connections)
        replies = topology.replies_queue(self._gateway, self._connections)
        await declare(connection, topology.for_requests())
        await declare(connection, own)
        incoming, queries, commands = [await connection.channel() for _ in range(3)]
        await incoming.consume(replies, self._receive, tag=f"gateway {self._gateway}")
        self._attendance.connected(connection)
        try:
            async with asyncio.TaskGroup() as group:
                session = Session(connection, group, replies, queries, commands, self._refused)
                for channel in (incoming, queries, commands):
                    session.watch(channel.lost())
                session.watch(connection.pulse())
                session.watch(connection.confirms(commands))
                session.watch(self._watch())
                session.watch(self._checks.run(connection, own, replies))
                await resume(session, list(self._pending.values()), self._receive)
                self._session = session
                self._link.ready()
                await session.over()
        finally:
            self._session = None
            self._attendance.disconnected()
            if not connection.is_silent:
                self._abandon_unconfirmed()

    def _abandon_unconfirmed(self) -> None:
        """Answer soon what was published over a connection that the broker closed, unconfirmed.

        Such a command is in its partition by now, or never will be, so a repeat comes behind it. A
        broker that was merely silent may read the command later: then only its deadline ends it.
        """
        for pending in self._pending.values():
            if not pending.safe and not pending.is_confirmed:
                fault = Fault(
                    Code.DEADLINE_EXCEEDED,
                    f"the connection to the broker was lost before it confirmed "
                    f"{pending.message.type}; it may or may not have happened",
                )
                asyncio.get_running_loop().call_later(UNCONFIRMED_S, pending.fail, fault)

    async def _watch(self) -> None:
        """Fail queries whose last worker has gone; a command may have been run by that worker.

        A worker that stops says so before its consumer goes, and may still answer what it took.
        """
        while True:
            await asyncio.sleep(WATCH_S)
            for provider in {p.provider for p in self._pending.values() if p.safe}:
                taken = [p for p in self._pending.values() if p.safe and p.provider == provider]
                try:
                    attendance = self._attendance
                    if attendance.is_draining(provider) or await attendance.is_attended(provider):
                        continue
                except BrokerError as error:
                    log.debug("whether %s is attended: %s", provider, error)
                    continue
                for pending in taken:
                    pending.fail(unattended(provider))

    def _receive(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.type == topology.ATTENDANCE:
            self._hear(message)
            return
        pending = self._pending.get(message.correlation_id or "")
        if pending is None:
            log.info("a reply to %s came after its deadline", message.correlation_id)
            return
        command_id = None if pending.safe else pending.message.message_id
        pending.answer(reply_in(message, self._seals, command_id))

    def _hear(self, message: Message) -> None:
        if message.correlation_id:
            self._checks.hear(message)
            return
        try:
            self._attendance.hear(message)
        except msgspec.DecodeError as error:
            log.warning("an announcement cannot be read: %s", error)
