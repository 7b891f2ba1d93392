"""Looks at a broker over AMQP: hears the workers, and asks them about their platforms."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

import msgspec
from msgspec import Struct

from contracts import topology, wire
from contracts.broker.attendance import Announcement
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared, Refused, Rejected, Unroutable
from contracts.checks.json_limits import MESSAGES, decode
from contracts.faults import Problem
from contracts.platform_access import PLATFORM_ACCESS, Access, Question
from contracts.topology import ATTENDANCE, QUERIES
from contracts.wire import Message

LISTEN_S = 2.5
"""Each worker announces itself every second."""

ANSWER_S = 10.0
PUBLISH_S = 5.0


class Seen(Struct):
    """The facts that a client of the broker sees; `refused` is why workers were not heard."""

    version: str = ""
    is_blocked: bool = False
    refused: str | None = None
    absent: list[str] = []
    """The exchanges and queues that do not exist."""

    workers: list[Announcement] = []
    access: dict[str, Access | Problem | None] = {}
    """The answers about platforms by provider, None without an answer."""


async def look(
    connection: Connection, scopes: Mapping[str, Sequence[str]], expected: Sequence[str] | None
) -> Seen:
    """Return what a connection shows.

    `expected` are providers whose queues are looked for, as those of announced ones; None: none.

    The workers of each provider that announces itself are asked whether they reach their platform,
    and about their rights in these scopes of the provider.
    """
    seen = Seen(connection.broker_version)
    listener = _Listener(connection, f"doctor-{uuid4().hex[:8]}")
    try:
        await listener.run(seen, scopes)
    except (Refused, NotDeclared) as error:
        seen.refused = str(error)
    if not seen.is_blocked and expected is not None:
        providers = {*expected, *(each.provider for each in seen.workers)}
        parts = [topology.common(), *map(topology.of_provider, sorted(providers))]
        seen.absent = await _absent(connection, topology.whole(*parts))
    return seen


async def _absent(connection: Connection, whole: topology.Topology) -> list[str]:
    """Return the missing exchanges and queues; the broker closes the channel for each of them.

    From RabbitMQ 4.3 on, a passive declaration needs a right; without it nothing is known.
    """
    absent = []
    channel = await connection.channel()
    for kind, parts in (("exchange", whole.exchanges), ("queue", whole.queues)):
        for part in parts:
            if channel.is_closed:
                channel = await connection.channel()
            with suppress(Refused):
                try:
                    async with asyncio.timeout(PUBLISH_S):
                        is_exchange = kind == "exchange"
                        look = channel.has_exchange if is_exchange else channel.consumers
                        await look(part.name)
                except (NotDeclared, TimeoutError):
                    absent.append(f"the {kind} {part.name}")
    return absent


class _Listener:
    """A replies queue as that of a gateway, which exists while the doctor looks."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._own = topology.of_gateway(name, 0)
        self._queue = self._own.queues[0].name
        self._workers: dict[str, Announcement] = {}
        self._replies: dict[str, Message] = {}
        self._arrived = asyncio.Event()

    async def run(self, seen: Seen, scopes: Mapping[str, Sequence[str]]) -> None:
        """Fill in the workers and their answers, unless the broker blocks publishers.

        The broker reads nothing more from a blocked connection; the queue then expires, as after
        an error.
        """
        [queue] = self._own.queues
        channel = await self._connection.channel()
        await channel.declare_queue(queue.name, queue.arguments)
        for each in self._own.bindings:
            await channel.bind(each.source, each.destination, each.key, to_exchange=False)
        await channel.consume(queue.name, self._receive)
        publishes = await self._publishes()
        await asyncio.sleep(LISTEN_S)
        # The broker takes the first message of a connection before it blocks the connection.
        seen.is_blocked = not publishes or self._connection.is_blocked()
        if seen.is_blocked:
            return
        seen.workers = sorted(self._workers.values(), key=lambda each: each.worker)
        attached = {each.provider for each in seen.workers if each.state == "attached"}
        asked = {name: uuid4().hex for name in sorted(attached)}
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._ask(asked, scopes)
        seen.access = {name: self._answer(identity) for name, identity in asked.items()}
        await channel.delete_queue(queue.name)

    async def _publishes(self) -> bool:
        """Tell whether the broker takes a message, which no binding matches."""
        channel = await self._connection.channel()
        message = Message(
            exchange=QUERIES,
            key=f"-.{ATTENDANCE}",
            body=b"",
            type=ATTENDANCE,
            message_id=uuid4().hex,
            expiration=0,
            user_id=self._connection.user,
        )
        try:
            async with asyncio.timeout(PUBLISH_S):
                await channel.publish(message, mandatory=True)
        except Unroutable:
            return True
        except TimeoutError:
            return False
        return True

    def _receive(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.type == ATTENDANCE and message.key == ATTENDANCE:
            with suppress(msgspec.DecodeError):  # gateways publish empty checks under this key
                announcement = decode(message.body, MESSAGES, type=Announcement)
                self._workers[announcement.worker] = announcement
        elif message.correlation_id:
            self._replies[message.correlation_id] = message
            self._arrived.set()

    async def _ask(self, asked: Mapping[str, str], scopes: Mapping[str, Sequence[str]]) -> None:
        """Ask the workers of each provider; return when all have answered.

        The questions have their own channel: without the right to publish them, the broker closes
        it.
        """
        channel = await self._connection.channel()
        for provider, identity in asked.items():
            with suppress(Unroutable, Rejected):
                await channel.publish(
                    self._question(provider, identity, scopes.get(provider, ())), mandatory=True
                )
        while not _all_answered(asked, self._replies):
            self._arrived.clear()
            await self._arrived.wait()

    def _question(self, provider: str, identity: str, scopes: Sequence[str]) -> Message:
        milliseconds = int((ANSWER_S - 1) * 1000)
        return Message(
            exchange=QUERIES,
            key=f"{provider}.{PLATFORM_ACCESS}",
            body=msgspec.json.encode(Question(list(scopes))),
            type=PLATFORM_ACCESS,
            message_id=identity,
            correlation_id=identity,
            reply_to=self._queue,
            expiration=milliseconds,
            user_id=self._connection.user,
            headers={wire.HEADER_DEADLINE: int(time.time() * 1000) + milliseconds},
        )

    def _answer(self, identity: str) -> Access | Problem | None:
        message = self._replies.get(identity)
        if message is None:
            return None
        with suppress(msgspec.DecodeError):
            if message.content_type == wire.JSON:
                return decode(message.body, MESSAGES, type=Access)
            return decode(message.body, MESSAGES, type=Problem)
        return None


def _all_answered(asked: Mapping[str, str], replies: Mapping[str, Message]) -> bool:
    """Tell whether each question has a reply."""
    return all(identity in replies for identity in asked.values())
