"""Records of commands that the broker dead-lettered or refused.

One gateway at a time consumes the dead-lettered commands in `machinist.ended`. The calls of this
gateway report the refused commands.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import msgspec

from contracts import outcomes, topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import Declaration
from contracts.broker.errors import BrokerError, Rejected, Unroutable
from contracts.broker.outcome_publisher import OutcomePublisher
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Fault
from contracts.observation.audit import AuditMetrics
from contracts.observation.operations import command_ended
from contracts.observation.registry import Registry
from contracts.outcomes import Outcome, Result
from contracts.records.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.wire import HEADER_TRACEPARENT, Header, Message, bounded
from gateway.recorder.dead_letters import (
    APP,
    expiry,
    provider_of,
    records_for,
    unreadable_dead_letter,
)
from gateway.recorder.start_lookup import StartLookup

log = logging.getLogger(__name__)

TAG = "recorder"
PREFETCH = 48
"""Each message is kept with at most `topology.MESSAGE_LIMIT` bytes of its body."""

MAX_STUCK = 24
"""Dead letters that may wait for room in `machinist.dead`; the rest of the prefetch stays free."""

CONCURRENCY = 16
"""Low, so that a thousand dead-lettered commands do not delay the requests of this process."""

MAX_REFUSED = 1000
RETRY_S = 30.0


class Recorder:
    """Records over a separate connection, so that its loss does not affect requests."""

    def __init__(
        self,
        seals: Seals,
        link: ReconnectingConnection,
        audit: AuditMetrics | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        """`retry_s` is the delay in seconds between a failure and the next attempt."""
        self._seals = seals
        self._audit = audit or AuditMetrics(Registry("gateway"))
        self._link = link
        self._retry_s = retry_s
        self._refused: list[Message] = []
        self._dropped = 0
        self._has_refused = asyncio.Event()
        self._has_none = asyncio.Event()
        self._has_none.set()
        self._recording: _RecordingSession | None = None
        self._publisher = OutcomePublisher(self._audit.published)
        self._audit.watch(self.lag)

    def lag(self) -> float:
        """Return the age in seconds of the oldest outcome without a confirm, 0 without one."""
        since = self._refused[0].timestamp if self._refused else None
        return max(self._publisher.lag(), 0.0 if since is None else time.time() - since)

    def record_refusal(self, provider: str, command: Message, fault: Fault) -> None:
        """Publish the outcome of a command that the broker refused, as soon as possible."""
        if not self._has_room():
            return
        outcome = outcomes.outcome_of(
            command,
            provider,
            Result.REFUSED,
            request=request_of(command, operation_in(command, self._seals), self._seals),
            finished=outcomes.now(),
            **outcomes.failure(fault),
        )
        self._add(outcome, command.headers.get(HEADER_TRACEPARENT))

    def record(self, outcome: Outcome, traceparent: Header | None = None) -> None:
        """Publish the outcome of a command that was never published, as soon as possible."""
        if self._has_room():
            self._add(outcome, traceparent)

    def _has_room(self) -> bool:
        if len(self._refused) < MAX_REFUSED:
            return True
        if not self._dropped:
            log.warning("outcomes of refused commands are dropped: %d wait", MAX_REFUSED)
        self._dropped += 1
        self._audit.dropped()
        return False

    def _add(self, outcome: Outcome, traceparent: Header | None) -> None:
        self._refused.append(outcomes.message_of(outcome, APP, traceparent))
        self._has_refused.set()
        self._has_none.clear()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            try:
                await self._link.run(self._session)
            except Exception:  # the gateway serves requests without its recorder
                log.exception("the recorder failed; it restarts in %g seconds", self._retry_s)
            await asyncio.sleep(self._retry_s)

    async def finish(self, within_s: float) -> None:
        """Take no more dead letters, and publish the records under way within these seconds.

        Another gateway records the dead letters that are left; refusals have no other record.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._has_none.wait()
                if self._recording is not None:
                    await self._recording.finish()
        except (BrokerError, TimeoutError) as error:
            log.warning(
                "records are left at the stop, %d of refusals: %r", len(self._refused), error
            )

    async def _session(self, connection: Connection) -> None:
        await Declaration(connection).run(topology.common())
        incoming, letters, outgoing = [await connection.channel() for _ in range(3)]
        recording = _RecordingSession(
            connection,
            incoming,
            letters,
            outgoing,
            retry_s=self._retry_s,
            seals=self._seals,
            publisher=self._publisher,
            audit=self._audit,
        )
        try:
            async with asyncio.TaskGroup() as group:
                for channel in (incoming, letters, outgoing):
                    group.create_task(channel.lost())
                    group.create_task(connection.confirms(channel))
                group.create_task(self._publish_refused(recording))
                await recording.start(group)
                self._recording = recording
                self._link.ready()
        finally:
            self._recording = None

    async def _publish_refused(self, recording: "_RecordingSession") -> None:
        """Publish the outcomes of refused commands; keep those that are not confirmed."""
        while True:
            while waiting := self._refused[:CONCURRENCY]:
                async with asyncio.TaskGroup() as group:
                    for record in waiting:
                        group.create_task(recording.publish(record))
                del self._refused[: len(waiting)]
            if self._dropped:
                log.warning("%d outcomes of refused commands were dropped", self._dropped)
                self._dropped = 0
            self._has_refused.clear()
            self._has_none.set()
            await self._has_refused.wait()


class _RecordingSession:
    """The work of the recorder over one connection."""

    def __init__(
        self,
        connection: Connection,
        incoming: Channel,
        letters: Channel,
        outcomes: Channel,
        *,
        retry_s: float,
        seals: Seals,
        publisher: OutcomePublisher,
        audit: AuditMetrics,
    ) -> None:
        self._audit = audit
        self._seals = seals
        self._publisher = publisher
        self._incoming = incoming
        self._letters = letters
        self._outcomes = outcomes
        self._user = connection.user
        self._retry_s = retry_s
        self._starts = StartLookup(connection)
        self._concurrency = asyncio.Semaphore(CONCURRENCY)
        self._stuck: list[tuple[Delivery, list[Message]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._tag: str | None = None

    async def start(self, group: asyncio.TaskGroup) -> None:
        def receive(delivery: Delivery) -> None:
            message = bounded(delivery.message)
            delivery = msgspec.structs.replace(delivery, message=message)
            task = group.create_task(self._record(delivery))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        group.create_task(self._starts.run())
        group.create_task(self._retry(group))
        self._tag = await self._incoming.consume(
            topology.ENDED, receive, prefetch=PREFETCH, tag=TAG
        )

    async def finish(self) -> None:
        """Cancel the consumer, and record the received dead letters. Raises ConnectionLost.

        The next recorder starts meanwhile; dead letters need no order.
        """
        if self._tag is not None:
            await self._incoming.cancel(self._tag)
        while self._running:
            await asyncio.wait(self._running)

    async def publish(self, message: Message) -> None:
        """Publish a dead letter or an outcome to a queue, and await the confirm."""
        message = msgspec.structs.replace(message, user_id=self._user)
        if message.exchange == topology.DEAD:
            await self._letters.publish(message, mandatory=True)
            self._audit.dead_letter(provider_of(message))
        else:
            publish = partial(self._outcomes.publish, mandatory=True)
            await self._publisher.publish(message, publish, self._outcomes.close)
            command_ended(outcomes.read(message), message.headers)

    async def _record(self, delivery: Delivery) -> None:
        """Record a delivery; the lookup in the audit delays no other delivery."""
        expired = expiry(delivery.message, self._user)
        started = None if expired is None else await self._starts.of(expired)
        records = partial(
            records_for, delivery.message, started=started, user=self._user, seals=self._seals
        )
        await self._publish_all(delivery, records)

    async def _publish_all(self, delivery: Delivery, records: Callable[[], list[Message]]) -> None:
        """Publish the records of a delivery, and acknowledge it unless its dead letter waits.

        The number of waiting dead letters is limited, so that the prefetch has room for further
        deliveries: outcomes are more important.
        """
        message = delivery.message
        async with self._concurrency:
            try:
                left = await self._publish_in_order(records())
            except BrokerError:
                raise
            except Exception:  # anything in a message: redelivered, it would fail for ever
                log.exception("%s of %s cannot be recorded", message.message_id, message.key)
                left = await self._publish_in_order([unreadable_dead_letter(message)])
            if left and len(self._stuck) < MAX_STUCK:
                self._stuck.append((delivery, left))
                return
            if left:
                text = "the dead letter of %s of %s is dropped: %d already wait"
                log.warning(text, message.message_id, message.key, MAX_STUCK)
            await self._incoming.ack(delivery)

    async def _publish_in_order(self, messages: list[Message]) -> list[Message]:
        """Publish messages in order; return the messages from the first rejected one on."""
        for number, message in enumerate(messages):
            try:
                await self.publish(message)
            except (Rejected, Unroutable) as error:
                log.warning("a dead letter waits %g seconds for a retry: %s", self._retry_s, error)
                return messages[number:]
        return []

    async def _retry(self, group: asyncio.TaskGroup) -> None:
        """Publish waiting dead letters again at intervals; their commands stay unacknowledged."""
        while True:
            await asyncio.sleep(self._retry_s)
            stuck, self._stuck = self._stuck, []
            for delivery, left in stuck:
                group.create_task(self._publish_all(delivery, partial(list, left)))
