"""Remote procedure calls: publishes an operation and awaits its reply or a fault."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from contracts import topology
from contracts.broker.attendance import Attendance
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.errors import BrokerError
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.freshness import VERSIONS, CommandCount, announcement, place
from contracts.operation import Operation
from contracts.seal import Seals
from contracts.wire import Header, Message, Reply
from gateway.calls.address_limit import AddressLimit
from gateway.calls.checks import Checks
from gateway.calls.encoded import Encoded, encoded
from gateway.calls.known_versions import KnownVersions
from gateway.calls.replies import reply_in
from gateway.calls.resuming import resume
from gateway.calls.session import OnRefused, Pending, Session, unreachable
from gateway.calls.without_reply import abandon_unconfirmed, fail_unattended
from gateway.context import NOTHING, Context

log = logging.getLogger(__name__)

GRACE_S = 0.25
"""The wait for a reply after the deadline."""

ADMISSION_S = 0.9
"""The time limit of the checks before a publish."""


class Rpc:
    """Calls over the current connection."""

    def __init__(
        self,
        gateway: str,
        link: ReconnectingConnection,
        attendance: Attendance,
        seals: Seals,
        *,
        deadlines_ms: tuple[int, int],
        in_flight: int,
        on_refused: OnRefused,
        checks: Checks | None,
        known: KnownVersions | None = None,
    ) -> None:
        """`deadlines_ms` are the deadlines of queries and of commands.

        `on_refused` is called for every command that the broker rejected. `checks` run beside the
        calls of a gateway; the console has none. Without `known` versions the workers answer
        every query from the platform.
        """
        self._gateway = gateway
        self._link = link
        self._attendance = attendance
        self._seals = seals
        self._queries_ms, self._commands_ms = deadlines_ms
        self._max_in_flight = in_flight
        self._on_refused = on_refused
        self._checks = checks
        self._known = known
        self._unanswered = CommandCount()
        self._in_flight = 0
        self._addresses = AddressLimit()
        self._pending: dict[str, Pending] = {}
        self._connections = 0
        self._session: Session | None = None

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        """Return the reply to an operation; raise a fault if there is none.

        A fault before the publish may be a 503, which promises that nothing was attempted. After
        the publish the result is a reply, the broker's rejection, or a 504.
        """
        return await self._call(
            provider, lambda: encoded(provider, operation, self._seals), context, opened=True
        )

    async def send(self, provider: str, request: Encoded, context: Context) -> Reply:
        """Return the reply to an operation that is encoded already; raises as `call` does.

        The reply to a sealed operation stays sealed.
        """
        return await self._call(provider, lambda: request, context, opened=False)

    async def _call(
        self, provider: str, encode: Callable[[], Encoded], context: Context, *, opened: bool
    ) -> Reply:
        if self._in_flight >= self._max_in_flight:
            raise Fault(Code.GATEWAY_BUSY, f"{self._in_flight} requests are in progress already")
        self._in_flight += 1
        try:
            began = time.monotonic()
            session = await self._admit(provider)
            pending = self._prepare(provider, encode(), session, context, opened=opened)
            if pending.safe:
                reply = await self._exchange(session, pending)
                return await self._fresh(pending, reply, context, began)
            with self._addresses.hold(pending.message.key):
                try:
                    return await self._exchange(session, pending)
                except Fault as fault:
                    if fault.code is Code.DEADLINE_EXCEEDED:
                        await self._announce(pending)
                    raise
        finally:
            self._in_flight -= 1

    async def _fresh(
        self, pending: Pending, reply: Reply, context: Context, published_at: float
    ) -> Reply:
        """Return the reply to a query, or that to its repetition if the first reply is too old.

        A worker guarantees the versions that the repetition requires, so it is not repeated again.
        """
        if self._known is None or reply.versions is None:
            return reply
        key = pending.message.key
        if self._known.is_older(reply, pending.message, published_at):
            session = await self._admit(pending.provider)
            headers = self._freshness(pending.provider, key, context)
            reply = await self._exchange(session, session.repeated(pending, headers))
        self._known.learn(key, reply)
        return reply

    async def _announce(self, pending: Pending) -> None:
        """Tell all gateways that a command may have had an effect; no worker may announce it."""
        if self._known is None:
            return
        where = place(pending.message.key)
        message = announcement(where, self._unanswered.after(), sender="gateway")
        self._known.hear(message)
        if self._session is not None:
            await self._session.announce(message)

    def _freshness(self, provider: str, key: str, context: Context) -> dict[str, Header]:
        """Return the headers that permit workers to answer a query from local copies."""
        if self._known is None or not self._attendance.tells_versions(provider):
            return {}
        return self._known.required(key, context.max_age_s).headers()

    def waiting(self) -> Counter[tuple[str, str]]:
        """Return the number of calls that wait for a reply, by provider and operation."""
        return Counter((each.provider, each.message.type) for each in self.pending())

    def pending(self) -> Iterable[Pending]:
        """Return the calls that wait for a reply."""
        return self._pending.values()

    async def _admit(self, provider: str) -> Session:
        """Return the session, if the broker accepts publishes and the provider has a worker."""
        session = self._current()
        if session.connection.is_blocked():
            raise Fault(Code.BROKER_BLOCKED, "the broker's memory or disk alarm is on")
        if not self._attendance.is_announced(provider):
            await self._require(provider)
            session = self._current()
        return session

    def _current(self) -> Session:
        if self._session is None or self._session.is_over:
            raise unreachable(self._link.reason)
        return self._session

    async def _require(self, provider: str) -> None:
        """Ask the broker whether the provider has a worker; raise a fault if it has none."""
        try:
            async with asyncio.timeout(ADMISSION_S):
                await self._attendance.require(provider)
        except TimeoutError as error:
            raise Fault(Code.BROKER_UNREACHABLE, "the broker does not answer") from error
        except BrokerError as error:
            raise unreachable(str(error)) from error

    def _prepare(
        self,
        provider: str,
        request: Encoded,
        session: Session,
        context: Context,
        *,
        opened: bool,
    ) -> Pending:
        row = request.row
        milliseconds = self._queries_ms if row.safe else self._commands_ms
        headers = self._freshness(provider, request.key, context) if row.safe else {}
        user = session.connection.user
        message = request.message(session.replies, user, milliseconds, context, headers)
        deadline = time.time() + milliseconds / 1000
        return Pending(provider, message, safe=row.safe, deadline=deadline, opened=opened)

    async def _exchange(self, session: Session, pending: Pending) -> Reply:
        identity = pending.message.message_id
        self._pending[identity] = pending
        seconds = pending.deadline - time.time() + GRACE_S
        overdue = asyncio.get_running_loop().call_later(seconds, pending.end)
        try:
            session.publish(pending)
            return await pending.reply
        finally:
            overdue.cancel()
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
        if self._known is not None:
            self._known.connected()
        try:
            async with asyncio.TaskGroup() as group:
                session = Session(connection, group, replies, queries, commands, self._on_refused)
                for channel in (incoming, queries, commands):
                    session.watch(channel.lost())
                session.watch(connection.pulse())
                session.watch(connection.confirms(commands))
                session.watch(fail_unattended(self._pending.values, self._attendance))
                if self._checks is not None:
                    session.watch(self._checks.run(connection, own, replies))
                await resume(session, list(self._pending.values()), self._receive)
                self._session = session
                self._link.ready()
                await session.wait_over()
        finally:
            self._session = None
            self._attendance.disconnected()
            if not connection.is_silent:
                abandon_unconfirmed(self._pending.values())

    def _receive(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.type == topology.ATTENDANCE:
            self._hear(message)
            return
        if message.type == VERSIONS:
            if self._known is not None:
                self._known.hear(message)
            return
        pending = self._pending.get(message.correlation_id or "")
        if pending is None:
            log.info("the reply to %s arrived after its deadline", message.correlation_id)
            return
        command_id = None if pending.safe else pending.message.message_id
        seals = self._seals if pending.opened else None
        pending.answer(reply_in(message, seals, command_id))

    def _hear(self, message: Message) -> None:
        if message.correlation_id:
            if self._checks is not None:
                self._checks.hear(message)
            return
        try:
            self._attendance.hear(message)
        except msgspec.DecodeError as error:
            log.warning("an announcement cannot be read: %s", error)
