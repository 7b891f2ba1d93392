"""The recorder over fake connections: a lost or failing one loses no record."""

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
    """A fake connection with one channel; each publish takes the next of `results`."""

    user = USER

    def __init__(self, *results: Exception | None) -> None:
        self.published: list[Message] = []
        self.acknowledged: list[Delivery] = []
        self.deliver: Callable[[Delivery], None] | None = None
        self.failures = 0
        self._results = list(results)
        self._lost = asyncio.get_running_loop().create_future()
        self.is_closed = False
        self.is_cancelled = False

    async def channel(self) -> "Broker":
        return self

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        await asyncio.sleep(0)
        result = self._results.pop(0) if self._results else None
        if result is not None:
            self.failures += 1
            raise result
        self.published.append(message)

    async def consume(self, queue: str, receive: Callable[[Delivery], None], **_: Any) -> str:
        self.deliver = receive
        return queue

    async def cancel(self, tag: str) -> None:
        self.is_cancelled = True

    async def ack(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery)

    async def lost(self) -> None:
        await self._lost

    async def confirms(self, channel: "Broker") -> None:
        await self._lost

    async def accept(self, *_: Any, **__: Any) -> int:
        """Accept a declaration or a binding."""
        return 1

    @asynccontextmanager
    async def passing_channel(self) -> AsyncIterator["Broker"]:
        """Block: the audit cannot be read."""
        await self._lost
        yield self

    has_exchange = consumers = bind = unbind = close = accept


class Connections(ReconnectingConnection):
    """Runs a session on each of the given connections in turn."""

    def __init__(self, *brokers: Broker) -> None:
        super().__init__("amqp://nowhere", "test")
        self._brokers = list(brokers)

    async def run(self, session: Any) -> None:
        for broker in self._brokers:
            with suppress(BaseExceptionGroup):
                await session(cast(Connection, broker))


DEATHS = [(1, "expired"), (2, "delivery_limit")]


def delivery_of(number: int, reason: str) -> Delivery:
    """Return the delivery of a dead-lettered command."""
    death: Any = [{"reason": reason, "queue": "machinist.k8s.commands.0", "exchange": EVENTS}]
    message = msgspec.structs.replace(
        scale_event("hello", number), exchange=ENDED, headers={"x-death": death}
    )
    return Delivery(message, tag=number, redelivered=False, returns=0)


FULL = Fault(Code.QUEUE_FULL, "full")


async def test_a_refused_command_is_recorded_although_a_connection_is_lost() -> None:
    first, second = Broker(None, ConnectionLost("lost")), Broker()
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


async def test_an_outcome_that_is_rejected_once_is_published_again() -> None:
    """A broker that shuts down rejects as well, and the rejecting queue may be the audit."""
    broker = Broker(Rejected("going down"))
    recorder = Recorder(Seals([]), Connections(broker))
    recorder.record_refusal("k8s", scale_event("hello", 1), FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: broker.published, 5)
    recording.cancel()

    assert len(broker.published) == 1


async def test_an_outcome_that_is_always_rejected_does_not_block_the_next_one() -> None:
    broker = Broker(*[Rejected("full")] * (1 + len(REFUSED_AGAIN_S)))
    recorder = Recorder(Seals([]), Connections(broker))
    commands = [scale_event("hello", number) for number in (1, 2)]
    recorder.record_refusal("k8s", commands[0], FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: broker.failures == 1 + len(REFUSED_AGAIN_S), 30)
    recorder.record_refusal("k8s", commands[1], FULL)
    await asyncio.to_thread(eventually, lambda: broker.published, 5)
    recording.cancel()

    assert [read(each).id for each in broker.published] == [commands[1].message_id]


@pytest.mark.parametrize("result", [Rejected("full"), Unroutable("deleted")], ids=repr)
async def test_a_refused_dead_letter_is_kept_and_does_not_block_others(
    result: BrokerError,
) -> None:
    broker = Broker(result)
    recording = asyncio.create_task(Recorder(Seals([]), Connections(broker), retry_s=0.3).run())
    await asyncio.to_thread(eventually, lambda: broker.deliver)
    assert broker.deliver is not None
    forged = msgspec.structs.replace(scale_event("hello", 3), exchange=ENDED)
    first, second = [Delivery(forged, tag=tag, redelivered=False, returns=0) for tag in (1, 2)]
    broker.deliver(first)
    broker.deliver(second)

    await asyncio.to_thread(eventually, lambda: broker.acknowledged)
    assert broker.acknowledged == [second]
    await asyncio.to_thread(eventually, lambda: len(broker.acknowledged) == 2)
    recording.cancel()

    assert broker.acknowledged == [second, first]
    assert [each.exchange for each in broker.published] == [DEAD, DEAD]


async def test_an_outcome_is_published_once_although_its_dead_letter_is_rejected() -> None:
    broker = Broker(None, Rejected("full"))
    recording = asyncio.create_task(Recorder(Seals([]), Connections(broker), retry_s=0.3).run())
    await asyncio.to_thread(eventually, lambda: broker.deliver)
    assert broker.deliver is not None
    dead = delivery_of(1, "delivery_limit")
    broker.deliver(dead)

    await asyncio.to_thread(eventually, lambda: broker.failures)
    assert [each.exchange for each in broker.published] == [OUTCOMES]
    assert not broker.acknowledged
    await asyncio.to_thread(eventually, lambda: broker.acknowledged)
    recording.cancel()

    assert [each.exchange for each in broker.published] == [OUTCOMES, DEAD]
    assert broker.acknowledged == [dead]


async def test_all_outcomes_are_published_while_every_dead_letter_is_rejected(
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

    expected = 2 * PREFETCH - MAX_STUCK
    await asyncio.to_thread(eventually, lambda: len(broker.acknowledged) == expected)
    recording.cancel()

    ids = {read(each).id for each in broker.published}
    assert ids == {each.message.message_id for each in dead}
    assert len(broker.published) == len(dead)
    assert f"is dropped: {MAX_STUCK} already wait" in caplog.text


async def test_other_commands_are_recorded_while_the_audit_does_not_answer() -> None:
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


async def test_dropped_outcomes_of_refused_commands_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Broker()
    recorder = Recorder(Seals([]), Connections(broker))
    for number in range(MAX_REFUSED + 7):
        recorder.record_refusal("k8s", scale_event("hello", number), FULL)

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(
        eventually, lambda: "7 outcomes of refused commands were" in caplog.text, 20
    )
    recording.cancel()

    assert len(broker.published) == MAX_REFUSED


async def test_an_unexpected_failure_of_the_recorder_is_logged_and_survived(
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


async def test_a_stopping_recorder_publishes_its_refusals_and_records_received_dead_letters() -> (
    None
):
    broker = Broker()
    recorder = Recorder(Seals([]), Connections(broker))
    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: broker.deliver, 5)
    assert broker.deliver is not None
    dead = delivery_of(*DEATHS[1])
    broker.deliver(dead)
    refused = scale_event("hello", 7)
    recorder.record_refusal("k8s", refused, FULL)

    await recorder.finish(20)

    assert broker.is_cancelled
    assert broker.acknowledged == [dead]
    records = [read(each) for each in broker.published if each.exchange == OUTCOMES]
    assert {each.id: each.result for each in records} == {
        refused.message_id: Result.REFUSED,
        dead.message.message_id: Result.DEAD,
    }
    recording.cancel()


async def test_a_stopping_recorder_without_a_broker_waits_for_a_limited_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder(Seals([]), Connections())
    recorder.record_refusal("k8s", scale_event("hello", 7), FULL)

    await recorder.finish(0.01)

    assert "1 of refusals" in caplog.text
