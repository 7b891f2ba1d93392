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
from contracts.broker.declaration import declare
from contracts.broker.errors import BrokerError, ConnectionLost, NotDeclared
from contracts.broker.link import Connection, Link
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.seal import SEALED, Seals
from contracts.wire import Message, Reply
from gateway.answers import reply_in
from gateway.context import NOTHING, Context
from gateway.places import Places
from gateway.session import Pending, Refused, Session, unattended

log = logging.getLogger(__name__)

GRACE_S = 0.25
ADMISSION_S = 0.9
WATCH_S = 0.5


class Rpc:
    """Operations in, replies out, over whichever connection is up."""

    def __init__(
        self,
        gateway: str,
        link: Link,
        attendance: Attendance,
        seals: Seals,
        *,
        deadlines_ms: tuple[int, int],
        in_flight: int,
        refused: Refused,
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
        self._in_flight = 0
        self._places = Places()
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
            with self._places.place(pending.message.key):
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
        identity = uuid4().hex
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
        body = wire.encode(operation)
        secret = row.secret is not None and address.find(operation, row.secret) is not None
        if secret or (row.seal and self._seals.can_seal):
            return self._seals.seal(body, row.name, where), SEALED
        return body, wire.JSON

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
        replies = topology.replies_queue(self._gateway, self._connections)
        await declare(connection, topology.common())
        await declare(connection, topology.of_gateway(self._gateway, self._connections))
        incoming, queries, commands = [await connection.channel() for _ in range(3)]
        await incoming.consume(replies, self._receive, tag=f"gateway {self._gateway}")
        self._attendance.connected(connection)
        try:
            async with asyncio.TaskGroup() as group:
                session = Session(connection, group, replies, queries, commands, self._refused)
                for channel in (incoming, queries, commands):
                    session.watch(channel.lost())
                session.watch(connection.pulse(replies))
                session.watch(connection.confirms(commands))
                session.watch(self._watch())
                self._resume(session)
                self._session = session
                self._link.ready()
                await session.over()
        finally:
            self._session = None
            self._attendance.disconnected()

    def _resume(self, session: Session) -> None:
        """Publish queries of the lost connection again; read its queue for replies to commands."""
        left: dict[str, list[Pending]] = {}
        for pending in self._pending.values():
            if pending.safe:
                self._again(session, pending)
            elif pending.message.reply_to:
                left.setdefault(pending.message.reply_to, []).append(pending)
        for queue, waiting in left.items():
            session.watch(self._read_out(session.connection, queue, waiting))

    def _again(self, session: Session, pending: Pending) -> None:
        left = int((pending.deadline - time.time()) * 1000)
        if left > 0:
            pending.message = msgspec.structs.replace(
                pending.message,
                message_id=uuid4().hex,
                reply_to=session.replies,
                expiration=left,
                timestamp=int(time.time()),
                user_id=session.connection.user,
            )
            session.publish(pending)

    async def _read_out(self, connection: Connection, queue: str, waiting: list[Pending]) -> None:
        """Read the replies queue of an earlier connection until its last command is resolved."""
        try:
            async with connection.passing_channel() as channel:
                await channel.consume(queue, self._receive)
                await asyncio.wait([pending.reply for pending in waiting])
                await channel.delete_queue(queue)
        except NotDeclared:
            log.warning("%s is gone with the replies in it", queue)

    async def _watch(self) -> None:
        """Answer queries whose last worker has gone; a command may have been run by it.

        A worker that stops says so before its consumer goes, and may still answer what it took.
        """
        while True:
            await asyncio.sleep(WATCH_S)
            for provider in {p.provider for p in self._pending.values() if p.safe}:
                taken = [p for p in self._pending.values() if p.safe and p.provider == provider]
                if await self._attendance.consumers(provider) or self._attendance.drains(provider):
                    continue
                for pending in taken:
                    pending.refuse(unattended(provider))

    def _receive(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.type == topology.ATTENDANCE:
            self._hear(message)
            return
        pending = self._pending.get(message.correlation_id or "")
        if pending is None:
            log.info("a reply to %s came after its deadline", message.correlation_id)
            return
        pending.answer(reply_in(message, self._seals))

    def _hear(self, message: Message) -> None:
        try:
            self._attendance.hear(message)
        except msgspec.DecodeError as error:
            log.warning("an announcement cannot be read: %s", error)
