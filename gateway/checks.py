"""Checks, end to end, that messages reach the queues that a gateway and its workers depend on.

A queue or binding that an operator, a restore or a fault of the broker takes away shows here within
a few seconds: it is made again where the gateway's user may, and named in `/ready` and the log.
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
MOST_FAILURES = 2
WATCH_S = 0.5
"""The pause between two looks at who is attached."""


class Checks:
    """What a gateway knows of the ways through the broker."""

    def __init__(self, attendance: Attendance, every_s: float = CHECK_S) -> None:
        """`every_s` is the time between two rounds, in seconds."""
        self._every_s = every_s
        self._attendance = attendance
        self._declared: list[str] = []
        self._unbound: dict[str, list[str]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._told: dict[str, int] = {}

    def missing(self) -> list[str]:
        """What is not there and could not be created, each with its remedy."""
        return [*self._declared, *(way for ways in self._unbound.values() for way in ways)]

    def hear(self, message: Message) -> None:
        """Take in a check of replies, perhaps another gateway's."""
        arrived = self._awaited.get(message.correlation_id or "")
        if arrived is not None:
            arrived.set()

    async def run(self, connection: Connection, own: topology.Topology, replies: str) -> None:
        """Check at intervals, the ways to a provider also when its workers come or go.

        `own` is the topology of this connection, `replies` its replies queue. Raises ConnectionLost
        when nothing reaches that queue.
        """
        declaration = Declaration(connection)
        whole = topology.whole(topology.common(), own)
        channel = await connection.channel()
        failures = 0
        while True:
            began = time.monotonic()
            declared = await declaration.run(whole)
            try:
                arrive = await self._replies_arrive(channel, connection.user, replies)
            except Refused as error:
                declared.append(f"replies are not checked: {REMEDY} ({error})")
                arrive, channel = True, await connection.channel()
            failures = 0 if arrive else failures + 1
            if failures >= MOST_FAILURES:
                raise ConnectionLost(f"what is published for {replies} does not arrive in it")
            self._learn(declared, await self._unbound_ways(channel, connection.user, self._rolls()))
            while time.monotonic() < began + self._every_s:
                await asyncio.sleep(WATCH_S)
                self._attendance.forget()
                changed = dict(self._rolls().items() - self._told.items())
                if changed:
                    ways = await self._unbound_ways(channel, connection.user, changed)
                    self._learn(declared, self._unbound | ways)

    def _rolls(self) -> dict[str, int]:
        """How many workers are attached to each provider that has any."""
        attendance = self._attendance
        known = (name for name in attendance.providers() if attendance.workers(name))
        return {name: max(1, attendance.attached(name)) for name in known}

    async def _replies_arrive(self, channel: Channel, user: str | None, replies: str) -> bool:
        """Publish to the gateway itself, as a worker's reply and as an announcement.

        The arrival counts, not the confirm: an announcement goes to the queues of all gateways, and
        those on a frozen node confirm nothing.
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

    async def _unbound_ways(
        self, channel: Channel, user: str | None, rolls: dict[str, int]
    ) -> dict[str, list[str]]:
        """Check the ways to the workers of these providers; return those that end nowhere.

        The check of a partition tells its owner how many workers share the partitions. A provider
        for which the broker does not answer is left as it was.
        """
        self._told |= rolls
        unbound = {}
        for provider, attached in rolls.items():
            checks = _checks_of(provider, attached, user)
            try:
                async with asyncio.timeout(ARRIVE_S):
                    reached = await asyncio.gather(*(_reaches(channel, each) for _, each in checks))
            except TimeoutError:
                unbound[provider] = self._unbound.get(provider, [])
                continue
            ways = zip(checks, reached, strict=True)
            unbound[provider] = [way for (way, _), is_reached in ways if not is_reached]
        return unbound

    def _learn(self, declared: list[str], unbound: dict[str, list[str]]) -> None:
        former = self.missing()
        self._declared, self._unbound = declared, unbound
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
    """Tell whether a queue is bound for a message; a queue that refuses it is bound, too."""
    try:
        await channel.publish(message, mandatory=True)
    except Unroutable:
        return False
    except Rejected:
        return True
    return True


async def _arrives(channel: Channel, message: Message, arrived: asyncio.Event) -> bool:
    """Wait until a message has arrived, confirmed or not; false where no queue is bound for it."""
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
    """A message for each queue of a provider, with what is missing where it reaches none."""
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
