"""The recorder's connections: nothing is lost with one of them, and nobody is hurt."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import msgspec
import pytest

from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, ConnectionLost, Rejected, Unroutable
from contracts.broker.outcome_publisher import REFUSED_AGAIN_S
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.outcomes import Result, read
from contracts.seal import Seals
from contracts.topology import DEAD, ENDED, EVENTS, OUTCOMES
from contracts.wire import Message
from gateway.recorder.recorder import MAX_REFUSED, MAX_STUCK, PREFETCH, Recorder
from tests.producer import scale_event
from tests.stack import eventually

USER = "gateway"


class Broker:
    """A connection and its channels in one: everything is declared, publishes are judged."""

    user = USER

    def __init__(self, *judgements: Exception | None) -> None:
        self.published: list[Message] = []
        self.acknowledged: list[Delivery] = []
        self.deliver: Callable[[Delivery], None] | None = None
        self.judged = 0
        self._judgements = list(judgements)
        self._lost = asyncio.get_running_loop().create_future()
        self.is_closed = False

    async def channel(self) -> "Broker":
        return self

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        await asyncio.sleep(0)
        judgement = self._judgements.pop(0) if self._judgements else None
        if judgement is not None:
            self.judged += 1
            raise judgement
        self.published.append(message)

    async def consume(self, queue: str, receive: Callable[[Delivery], None], **_: Any) -> None:
        self.deliver = receive

    async def ack(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery)

    async def lost(self) -> None:
        await self._lost

    async def confirms(self, channel: "Broker") -> None:
        await self._lost

    async def nothing(self, *_: Any, **__: Any) -> int:
        """Let it be declared, bound and consumed."""
        return 1

    @asynccontextmanager
    async def passing_channel(self) -> AsyncIterator["Broker"]:
        """The audit is never there to be read."""
        await self._lost
        yield self

    has_exchange = consumers = bind = unbind = close = nothing


class Connections(ReconnectingConnection):
    """Gives a session one connection after another, as long as there are some."""

    def __init__(self, *brokers: Broker) -> None:
        super().__init__("amqp://nowhere", "test")
        self._brokers = list(brokers)

    async def run(self, session: Any) -> None:
        for broker in self._brokers:
            with suppress(BaseExceptionGroup):
                await session(cast(Connection, broker))


DEATHS = [(1, "expired"), (2, "delivery_limit")]


def delivery_of(number: int, reason: str) -> Delivery:
    """A command that the broker ended."""
    death: Any = [{"reason": reason, "queue": "machinist.k8s.commands.0", "exchange": EVENTS}]
    message = msgspec.structs.replace(
        scale_event("hello", number), exchange=ENDED, headers={"x-death": death}
    )
    return Delivery(message, tag=number, redelivered=False, returns=0)


FULL = Fault(Code.QUEUE_FULL, "full")


async def test_a_refused_command_is_recorded_over_the_next_connection_if_one_is_lost() -> None:
    first, second = Broker(None, ConnectionLost("gone")), Broker()
    recorder = Recorder(Seals([]), Connections(first, second))
    commands = [scale_event("hello", number) for number in (1, 2)]
    for command in commands:
        recorder.record_refusal("k8s", command, FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: len(second.published) == 2, 5)
    recording.cancel()

    records = [read(each) for each in second.published]
    assert [each.id for each in records] == [each.message_id for each in commands]
    assert {each.result for each in records} == {Result.REFUSED}
    assert {each.user_id for each in second.published} == {USER}


async def test_an_outcome_that_is_refused_once_is_published_again() -> None:
    """A broker that goes down refuses as well, and the audit itself may be the queue that does."""
    broker = Broker(Rejected("going down"))
    recorder = Recorder(Seals([]), Connections(broker))
    recorder.record_refusal("k8s", scale_event("hello", 1), FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: broker.published, 5)
    recording.cancel()

    assert len(broker.published) == 1


async def test_an_outcome_that_somebodys_queue_refuses_counts_as_written() -> None:
    broker = Broker(*[Rejected("full")] * (1 + len(REFUSED_AGAIN_S)))
    recorder = Recorder(Seals([]), Connections(broker))
    commands = [scale_event("hello", number) for number in (1, 2)]
    recorder.record_refusal("k8s", commands[0], FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: broker.judged == 1 + len(REFUSED_AGAIN_S), 30)
    recorder.record_refusal("k8s", commands[1], FULL)
    await asyncio.to_thread(eventually, lambda: broker.published, 5)
    recording.cancel()

    assert [read(each).id for each in broker.published] == [commands[1].message_id]


@pytest.mark.parametrize("judgement", [Rejected("full"), Unroutable("deleted")], ids=repr)
async def test_a_dead_letter_that_no_queue_takes_is_kept_and_holds_up_nothing(
    judgement: BrokerError,
) -> None:
    broker = Broker(judgement)
    recording = asyncio.create_task(Recorder(Seals([]), Connections(broker), retry_s=0.3).run())
    await asyncio.to_thread(eventually, lambda: broker.deliver)
    assert broker.deliver is not None
    stranger = msgspec.structs.replace(scale_event("hello", 3), exchange=ENDED)
    first, second = [Delivery(stranger, tag=tag, redelivered=False, returns=0) for tag in (1, 2)]
    broker.deliver(first)
    broker.deliver(second)

    await asyncio.to_thread(eventually, lambda: broker.acknowledged)
    assert broker.acknowledged == [second]
    await asyncio.to_thread(eventually, lambda: len(broker.acknowledged) == 2)
    recording.cancel()

    assert broker.acknowledged == [second, first]
    assert [each.exchange for each in broker.published] == [DEAD, DEAD]


async def test_an_outcome_is_written_once_though_its_dead_letter_is_refused() -> None:
    broker = Broker(None, Rejected("full"))
    recording = asyncio.create_task(Recorder(Seals([]), Connections(broker), retry_s=0.3).run())
    await asyncio.to_thread(eventually, lambda: broker.deliver)
    assert broker.deliver is not None
    dead = delivery_of(1, "delivery_limit")
    broker.deliver(dead)

    await asyncio.to_thread(eventually, lambda: broker.judged)
    assert [each.exchange for each in broker.published] == [OUTCOMES]
    assert not broker.acknowledged
    await asyncio.to_thread(eventually, lambda: broker.acknowledged)
    recording.cancel()

    assert [each.exchange for each in broker.published] == [OUTCOMES, DEAD]
    assert broker.acknowledged == [dead]


async def test_while_every_dead_letter_is_refused_all_outcomes_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full(Broker):
        async def publish(self, message: Message, *, mandatory: bool) -> None:
            if message.exchange == DEAD:
                raise Rejected("full")
            await super().publish(message, mandatory=mandatory)

    broker = Full()
    recording = asyncio.create_task(Recorder(Seals([]), Connections(broker)).run())
    await asyncio.to_thread(eventually, lambda: broker.deliver)
    assert broker.deliver is not None
    dead = [delivery_of(number, "delivery_limit") for number in range(2 * PREFETCH)]
    for delivery in dead:
        broker.deliver(delivery)

    settled = 2 * PREFETCH - MAX_STUCK
    await asyncio.to_thread(eventually, lambda: len(broker.acknowledged) == settled)
    recording.cancel()

    ids = {read(each).id for each in broker.published}
    assert ids == {each.message.message_id for each in dead}
    assert len(broker.published) == len(dead)
    assert f"is dropped: {MAX_STUCK} already wait" in caplog.text


async def test_while_the_audit_does_not_answer_other_commands_are_recorded() -> None:
    broker = Broker()
    recording = asyncio.create_task(Recorder(Seals([]), Connections(broker)).run())
    await asyncio.to_thread(eventually, lambda: broker.deliver)
    assert broker.deliver is not None
    expired, dead = (delivery_of(number, reason) for number, reason in DEATHS)
    broker.deliver(expired)
    broker.deliver(dead)

    await asyncio.to_thread(eventually, lambda: broker.acknowledged)
    recording.cancel()

    assert broker.acknowledged == [dead]


async def test_more_refused_commands_than_are_kept_are_told_of_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Broker()
    recorder = Recorder(Seals([]), Connections(broker))
    for number in range(MAX_REFUSED + 7):
        recorder.record_refusal("k8s", scale_event("hello", number), FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: "7 outcomes" in caplog.text, 20)
    recording.cancel()

    assert len(broker.published) == MAX_REFUSED


async def test_a_recorder_that_fails_unexpectedly_says_so_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ReconnectingConnection):
        async def run(self, session: Any) -> None:
            raise LookupError("a bug")

    caplog.set_level(logging.ERROR)
    recording = asyncio.create_task(Recorder(Seals([]), Broken("amqp://nowhere", "test")).run())
    await asyncio.to_thread(eventually, lambda: "a bug" in caplog.text, 5)

    assert not recording.done()
    recording.cancel()
