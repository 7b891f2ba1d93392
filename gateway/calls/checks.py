"""End-to-end checks that messages reach the queues of a gateway and its workers.

A queue or binding that an operator, a restore or a fault of the broker removed is noticed within
`CHECK_S`: the gateway declares it again if its user has the rights, else `/ready` and the log name
it.
"""

import asyncio
import logging
import time
from uuid import uuid4

import msgspec

from contracts import topology
from contracts.address import SLOTS
from contracts.broker.attendance import Attendance
from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.declaration import CHECK_S, REMEDY, Declaration
from contracts.broker.errors import ConnectionLost, Refused, Rejected, Unroutable
from contracts.roll import Roll
from contracts.topology import ATTENDANCE, COMMANDS, QUERIES, REPLIES
from contracts.wire import Message

log = logging.getLogger(__name__)

ARRIVE_S = 5.0
MAX_FAILURES = 2
WATCH_S = 0.5
"""The interval between two looks at the attendance."""


class Checks:
    """Checks at intervals; remembers the missing queues and bindings."""

    def __init__(self, attendance: Attendance, every_s: float = CHECK_S) -> None:
        """`every_s` is the interval between two rounds in seconds."""
        self._every_s = every_s
        self._attendance = attendance
        self._undeclared: list[str] = []
        self._unbound: dict[str, list[str]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._announced: dict[str, int] = {}

    def missing(self) -> list[str]:
        """Return the missing queues and bindings, each with its remedy."""
        return [*self._undeclared, *(each for queues in self._unbound.values() for each in queues)]

    def hear(self, message: Message) -> None:
        """Handle a check that arrived as a reply; it may be another gateway's."""
        arrived = self._awaited.get(message.correlation_id or "")
        if arrived is not None:
            arrived.set()

    async def run(self, connection: Connection, own: topology.Topology, replies: str) -> None:
        """Check at intervals; check a provider's queues also when its number of workers changes.

        `own` is the topology of this connection, `replies` its replies queue. Raises ConnectionLost
        if no message reaches that queue.
        """
        declaration = Declaration(connection)
        whole = topology.whole(topology.common(), own)
        channel = await connection.channel()
        failures = 0
        while True:
            began = time.monotonic()
            undeclared = await declaration.run(whole)
            try:
                arrive = await self._replies_arrive(channel, connection.user, replies)
            except Refused as error:
                undeclared.append(f"replies are not checked: {REMEDY} ({error})")
                arrive, channel = True, await connection.channel()
            failures = 0 if arrive else failures + 1
            if failures >= MAX_FAILURES:
                raise ConnectionLost(f"messages published for {replies} do not arrive in the queue")
            unbound = await self._unbound_queues(channel, connection.user, self._attached())
            self._update(undeclared, unbound)
            while time.monotonic() < began + self._every_s:
                await asyncio.sleep(WATCH_S)
                self._attendance.forget()
                changed = dict(self._attached().items() - self._announced.items())
                if changed:
                    unbound = await self._unbound_queues(channel, connection.user, changed)
                    self._update(undeclared, self._unbound | unbound)

    def _attached(self) -> dict[str, int]:
        """Return the number of attached workers for each provider with workers."""
        attendance = self._attendance
        known = (name for name in attendance.providers() if attendance.workers(name))
        return {name: max(1, attendance.attached(name)) for name in known}

    async def _replies_arrive(self, channel: Channel, user: str | None, replies: str) -> bool:
        """Publish to this gateway, as a worker's reply and as an announcement.

        The arrival counts, not the confirm: an announcement is routed to the queues of all
        gateways, and a queue on a frozen node confirms nothing.
        """
        keys = (replies, ATTENDANCE)
        awaited = {uuid4().hex: asyncio.Event() for _ in keys}
        self._awaited = awaited
        try:
            async with asyncio.timeout(ARRIVE_S):
                for key, name in zip(keys, awaited, strict=True):
                    message = _check(REPLIES, key, user, correlation_id=name)
                    if not await _arrives(channel, message, awaited[name]):
                        return False
        except TimeoutError:
            return False
        finally:
            self._awaited = {}
        return True

    async def _unbound_queues(
        self, channel: Channel, user: str | None, workers: dict[str, int]
    ) -> dict[str, list[str]]:
        """Check the queues of these providers; return the unreachable queues by provider.

        The check of a partition also sends its owner the number of workers that share the
        partitions. If the broker does not answer for a provider, the previous result stays.
        """
        self._announced |= workers
        unbound = {}
        for provider, attached in workers.items():
            checks = _checks_of(provider, attached, user)
            try:
                async with asyncio.timeout(ARRIVE_S):
                    reached = await asyncio.gather(*(_reaches(channel, each) for _, each in checks))
            except TimeoutError:
                unbound[provider] = self._unbound.get(provider, [])
                continue
            results = zip(checks, reached, strict=True)
            unbound[provider] = [missing for (missing, _), is_reached in results if not is_reached]
        return unbound

    def _update(self, undeclared: list[str], unbound: dict[str, list[str]]) -> None:
        former = self.missing()
        self._undeclared, self._unbound = undeclared, unbound
        for each in self.missing():
            if each not in former:
                log.error("missing on the broker: %s", each)
        for each in former:
            if each not in self.missing():
                log.info("no longer missing on the broker: %s", each)


def _check(
    exchange: str,
    key: str,
    user: str | None,
    *,
    body: bytes = b"",
    correlation_id: str | None = None,
    milliseconds: int = int(ARRIVE_S * 1000),
) -> Message:
    return Message(
        exchange=exchange,
        key=key,
        body=body,
        type=ATTENDANCE,
        message_id=uuid4().hex,
        correlation_id=correlation_id,
        expiration=milliseconds,
        user_id=user,
    )


async def _reaches(channel: Channel, message: Message) -> bool:
    """Return true if a queue is bound for a message, even if the queue rejects the message."""
    try:
        await channel.publish(message, mandatory=True)
    except Unroutable:
        return False
    except Rejected:
        return True
    return True


async def _arrives(channel: Channel, message: Message, arrived: asyncio.Event) -> bool:
    """Wait for the arrival of a message, confirmed or not; false if no queue is bound for it."""
    publishing = asyncio.create_task(_reaches(channel, message))
    arriving = asyncio.create_task(arrived.wait())
    try:
        await asyncio.wait((publishing, arriving), return_when=asyncio.FIRST_COMPLETED)
        if publishing.done() and not publishing.result():
            return False
        return await arriving
    finally:
        publishing.cancel()
        arriving.cancel()
        await asyncio.gather(publishing, arriving, return_exceptions=True)


def _checks_of(provider: str, attached: int, user: str | None) -> list[tuple[str, Message]]:
    """Return a check for each queue of a provider, and the complaint if it is unroutable."""
    roll = msgspec.json.encode(Roll(attached))
    expires = int(CHECK_S * 1000)
    partitions = [
        (
            _unbound(topology.partition_queue(provider, slot), COMMANDS),
            _check(
                COMMANDS, f"{provider}.{slot}.{ATTENDANCE}", user, body=roll, milliseconds=expires
            ),
        )
        for slot in range(SLOTS)
    ]
    queries = _check(QUERIES, f"{provider}.{ATTENDANCE}", user, milliseconds=0)
    return [*partitions, (_unbound(topology.queries_queue(provider), QUERIES), queries)]


def _unbound(queue: str, exchange: str) -> str:
    return f"the queue {queue} or its binding to {exchange} does not exist: {REMEDY}"
