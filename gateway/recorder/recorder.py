"""Records of commands that the broker dead-lettered or refused.

Dead-lettered commands are read from `machinist.ended`, by one gateway at a time. Refused commands
are reported by the calls of this gateway.
"""

import asyncio
import logging
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
from contracts.outcomes import Result
from contracts.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.wire import HEADER_TRACEPARENT, Message, bounded
from gateway.recorder.dead_letters import APP, expiry, records_for, unreadable_dead_letter
from gateway.recorder.start_lookup import StartLookup

log = logging.getLogger(__name__)

TAG = "recorder"
PREFETCH = 48
"""Each message is held with at most `topology.MESSAGE_LIMIT` bytes of its body."""

MOST_STUCK = 24
"""Dead letters that may wait for room in `machinist.dead`; the rest of the prefetch stays free."""

AT_ONCE = 16
"""Few, so that a thousand dead-lettered commands do not delay the requests of this process."""

MOST_REFUSED = 1000
AGAIN_S = 30.0


class Recorder:
    """Records over a connection of its own, so that its loss does not affect requests."""

    def __init__(
        self, seals: Seals, link: ReconnectingConnection, again_s: float = AGAIN_S
    ) -> None:
        """`again_s` is the delay in seconds between a failure and the next attempt."""
        self._seals = seals
        self._link = link
        self._again_s = again_s
        self._refused: list[Message] = []
        self._dropped = 0
        self._told = asyncio.Event()
        self._publisher = OutcomePublisher()

    def refused(self, provider: str, command: Message, fault: Fault) -> None:
        """Publish the outcome of a command that the broker refused, as soon as possible."""
        if len(self._refused) >= MOST_REFUSED:
            if not self._dropped:
                log.warning("outcomes of refused commands are dropped: %d wait", MOST_REFUSED)
            self._dropped += 1
            return
        outcome = outcomes.outcome_of(
            command,
            provider,
            Result.REFUSED,
            request=request_of(command, operation_in(command, self._seals), self._seals),
            finished=outcomes.now(),
            **outcomes.failure(fault),
        )
        traceparent = command.headers.get(HEADER_TRACEPARENT)
        self._refused.append(outcomes.message_of(outcome, APP, traceparent))
        self._told.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            try:
                await self._link.run(self._session)
            except Exception:
                log.exception("the recorder failed and restarts in %g seconds", self._again_s)
            await asyncio.sleep(self._again_s)

    async def _session(self, connection: Connection) -> None:
        await Declaration(connection).run(topology.common())
        incoming, letters, outgoing = [await connection.channel() for _ in range(3)]
        recording = _RecordingSession(
            connection,
            incoming,
            letters,
            outgoing,
            again_s=self._again_s,
            seals=self._seals,
            publisher=self._publisher,
        )
        async with asyncio.TaskGroup() as group:
            for channel in (incoming, letters, outgoing):
                group.create_task(channel.lost())
                group.create_task(connection.confirms(channel))
            group.create_task(self._record_refused(recording))
            await recording.start(group)
            self._link.ready()

    async def _record_refused(self, recording: "_RecordingSession") -> None:
        """Publish the outcomes of refused commands; keep those that are not confirmed."""
        while True:
            while waiting := self._refused[:AT_ONCE]:
                async with asyncio.TaskGroup() as group:
                    for record in waiting:
                        group.create_task(recording.publish(record))
                del self._refused[: len(waiting)]
            if self._dropped:
                log.warning("%d outcomes of refused commands were dropped", self._dropped)
                self._dropped = 0
            self._told.clear()
            await self._told.wait()


class _RecordingSession:
    """The work of the recorder over one connection."""

    def __init__(
        self,
        connection: Connection,
        incoming: Channel,
        letters: Channel,
        outcomes: Channel,
        *,
        again_s: float,
        seals: Seals,
        publisher: OutcomePublisher,
    ) -> None:
        self._seals = seals
        self._publisher = publisher
        self._incoming = incoming
        self._letters = letters
        self._outcomes = outcomes
        self._user = connection.user
        self._again_s = again_s
        self._starts = StartLookup(connection)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._stuck: list[tuple[Delivery, list[Message]]] = []

    async def start(self, group: asyncio.TaskGroup) -> None:
        def receive(delivery: Delivery) -> None:
            message = bounded(delivery.message)
            group.create_task(self._record(msgspec.structs.replace(delivery, message=message)))

        group.create_task(self._starts.run())
        group.create_task(self._again(group))
        await self._incoming.consume(topology.ENDED, receive, prefetch=PREFETCH, tag=TAG)

    async def publish(self, message: Message) -> None:
        """Publish a dead letter or an outcome to a queue, and await the confirm."""
        message = msgspec.structs.replace(message, user_id=self._user)
        if message.exchange == topology.DEAD:
            await self._letters.publish(message, mandatory=True)
        else:
            publish = partial(self._outcomes.publish, mandatory=True)
            await self._publisher.publish(message, publish, self._outcomes.close)

    async def _record(self, delivery: Delivery) -> None:
        """Record a delivery; the lookup in the audit delays no other delivery."""
        question = expiry(delivery.message, self._user)
        started = None if question is None else await self._starts.of(question)
        records = partial(
            records_for, delivery.message, started=started, user=self._user, seals=self._seals
        )
        await self._publish_all(delivery, records)

    async def _publish_all(self, delivery: Delivery, records: Callable[[], list[Message]]) -> None:
        """Publish the records of a delivery, and acknowledge it unless its dead letter waits.

        Few dead letters may wait, so that further deliveries come: outcomes are more important.
        """
        message = delivery.message
        async with self._at_once:
            try:
                left = await self._left_over(records())
            except BrokerError:
                raise
            except Exception:
                log.exception("%s of %s cannot be recorded", message.message_id, message.key)
                left = await self._left_over([unreadable_dead_letter(message)])
            if left and len(self._stuck) < MOST_STUCK:
                self._stuck.append((delivery, left))
                return
            if left:
                words = "the dead letter of %s of %s is given up: %d wait already"
                log.warning(words, message.message_id, message.key, MOST_STUCK)
            await self._incoming.ack(delivery)

    async def _left_over(self, messages: list[Message]) -> list[Message]:
        """Publish messages in their order; return those from the first refused one on."""
        for number, message in enumerate(messages):
            try:
                await self.publish(message)
            except (Rejected, Unroutable) as error:
                log.warning("a dead letter waits %g seconds: %s", self._again_s, error)
                return messages[number:]
        return []

    async def _again(self, group: asyncio.TaskGroup) -> None:
        """Publish waiting dead letters again at intervals; the broker keeps the commands."""
        while True:
            await asyncio.sleep(self._again_s)
            stuck, self._stuck = self._stuck, []
            for delivery, left in stuck:
                group.create_task(self._publish_all(delivery, partial(list, left)))
