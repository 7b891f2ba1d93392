"""The queries of a worker: shared by competing consumers, run concurrently, in any order."""

import asyncio
import logging
import time
from collections.abc import Callable
from math import ceil

from msgspec import structs

from contracts import topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, ConsumerCancelled, NotDeclared
from contracts.freshness import freshness_of, text_of
from contracts.observation.messaging import processing
from contracts.observation.operations import query_answered
from contracts.platform_access import PLATFORM_ACCESS
from contracts.wire import Message, Reply, bounded, reply_of
from worker.dispatch import Dispatch
from worker.messages.clock import Clock
from worker.messages.examination import Refusal, too_large
from worker.messages.replies import Replies
from worker.provider import Call

log = logging.getLogger(__name__)

MISSING_S = 2.0
"""The delay before a queue that does not exist is consumed again."""


class Queries:
    """Consumes the queries of one provider over one connection after another."""

    def __init__(
        self,
        dispatch: Dispatch,
        replies: Replies,
        clock: Clock,
        group: asyncio.TaskGroup,
        *,
        concurrency: int,
        tag: str,
    ) -> None:
        """`group` runs the queries; it outlives connections. `tag` is the consumer tag."""
        self._dispatch = dispatch
        self._replies = replies
        self._clock = clock
        self._group = group
        self._concurrency = concurrency
        self._tag = tag
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._is_consuming = False
        self._cancelled = asyncio.Event()

    async def run(self, connection: Connection, consuming: Callable[[bool], None]) -> None:
        """Consume until the worker stops; try again while the queue does not exist.

        `consuming` is called with true when the consumer starts, and with false when it ends.
        """
        queue = topology.queries_queue(self._dispatch.name)
        while not self._stopping.is_set():
            channel = await connection.channel()
            try:
                await self._consume(channel, queue, consuming)
            except* NotDeclared:
                await asyncio.sleep(MISSING_S)
            except* ConsumerCancelled as cancelled:
                log.warning("%s: %s", queue, cancelled.exceptions[0])

    async def stop(self) -> None:
        """Cancel the consumer, and wait until the broker has confirmed it."""
        self._stopping.set()
        if self._is_consuming:
            await self._cancelled.wait()

    async def idle(self) -> None:
        """Wait until no query runs."""
        while self._running:
            await asyncio.wait(self._running)

    def abort(self) -> None:
        """Cancel all running queries."""
        for task in self._running:
            task.cancel()

    async def _consume(
        self, channel: Channel, queue: str, consuming: Callable[[bool], None]
    ) -> None:
        def receive(delivery: Delivery) -> None:
            expires_at = self._clock.expires_at(delivery.message)
            work = self._query(channel, delivery, expires_at, time.time())
            task = self._group.create_task(work)
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        async with asyncio.TaskGroup() as group:
            watch = group.create_task(channel.lost())
            tag = await channel.consume(queue, receive, prefetch=self._concurrency, tag=self._tag)
            self._is_consuming = True
            consuming(True)
            try:
                await self._stopping.wait()
                await channel.cancel(tag)
            finally:
                self._is_consuming = False
                consuming(False)
                self._cancelled.set()
            # The channel stays open, so that running queries can be acknowledged.
            await watch

    async def _query(
        self, channel: Channel, delivery: Delivery, expires_at: float, delivered_at: float
    ) -> None:
        if delivery.redelivered:
            self._dispatch.metrics.redelivered(delivery.message)
        if delivery.message.type == PLATFORM_ACCESS:
            call = Call(expires_at)
            reply = await self._dispatch.platform_access(delivery.message, call)
            await self._replies.send(delivery.message, reply, call.deadline)
        elif delivery.message.type != topology.ATTENDANCE:
            call = Call(expires_at, freshness=freshness_of(delivery.message))
            await self._answer(delivery.message, call, delivered_at)
        try:
            await channel.ack(delivery)
        except ConnectionLost as error:
            log.debug("the query may be answered by another worker too: %s", error)

    async def _answer(self, message: Message, call: Call, delivered_at: float) -> None:
        message = bounded(message)
        with processing(message, delivered_at):
            reply = await self._run(message, call)
            query_answered(message, self._dispatch.name, reply, delivered_at)
        await self._replies.send(message, reply, call.deadline)

    async def _run(self, message: Message, call: Call) -> Reply:
        try:
            if message.dropped:
                raise too_large(message)
            self._dispatch.metrics.started(message, call)
            reply = await self._dispatch.run(message, call)
        except Refusal as refusal:
            self._dispatch.metrics.refused(message, refusal.code)
            log.warning("%s was refused: %s", message.key, refusal)
            return reply_of(refusal)
        return reply if call.freshness is None else _with_freshness(reply, call)


def _with_freshness(reply: Reply, call: Call) -> Reply:
    age_ms = None if call.age_s is None else ceil(call.age_s * 1000)
    return structs.replace(reply, age_ms=age_ms, versions=text_of(call.shown))
