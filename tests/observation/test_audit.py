"""Metrics of the audit: published, waiting and dropped outcomes."""

import asyncio

from contracts.broker.outcome_publisher import OutcomePublisher
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.observation.audit import AuditMetrics
from contracts.observation.registry import OTHER, Registry
from contracts.seal import Seals
from contracts.wire import Message
from gateway.recorder.dead_letters import provider_of
from gateway.recorder.recorder import MAX_REFUSED, Recorder
from tests.examples import EXAMPLES, message_of
from tests.observation.scraping import Scrape

OUTCOMES = "machinist_audit_outcomes_total"
LAG = "machinist_audit_lag_seconds"
DROPPED = "machinist_audit_outcomes_dropped_total"
COMMAND = message_of(EXAMPLES["update_controller_replicas"])
FULL = Fault(Code.QUEUE_FULL, "full")


def outcome(result: str = "done", provider: str = "k8s") -> Message:
    return Message(
        exchange="machinist.outcomes",
        key=f"{result}.{provider}.controllers.default.hello",
        body=b"",
        type="outcome",
        message_id="1",
    )


async def never() -> None:
    raise AssertionError("expected no reconnect")


async def test_an_outcome_is_counted_when_a_queue_has_it_and_waits_until_then() -> None:
    registry = Registry("worker")
    audit = AuditMetrics(registry)
    publisher = OutcomePublisher(audit.published)
    audit.watch(publisher.lag)
    confirmed = asyncio.Event()

    async def publish(message: Message) -> None:
        await confirmed.wait()

    waiting = asyncio.create_task(publisher.publish(outcome(), publish, never))
    await asyncio.sleep(0)
    before = Scrape.of_registry(registry)
    confirmed.set()
    await waiting
    after = Scrape.of_registry(registry)

    assert (before.value(OUTCOMES), before.value(LAG) > 0) == (0, True)
    assert (after.value(OUTCOMES, provider="k8s", result="done"), after.value(LAG)) == (1, 0)


async def test_an_outcome_that_is_given_up_does_not_wait() -> None:
    publisher = OutcomePublisher()

    async def publish(message: Message) -> None:
        raise asyncio.CancelledError

    waiting = asyncio.create_task(publisher.publish(outcome(), publish, never))
    await asyncio.wait([waiting])

    assert publisher.lag() == 0


async def test_refused_commands_wait_for_the_recorder_and_too_many_are_dropped() -> None:
    registry = Registry("gateway")
    link = ReconnectingConnection("amqp://nowhere", "test")
    recorder = Recorder(Seals([]), link, AuditMetrics(registry))

    for _ in range(MAX_REFUSED + 3):
        recorder.record_refusal("k8s", COMMAND, FULL)
    scrape = Scrape.of_registry(registry)

    assert scrape.value(DROPPED) == 3
    assert scrape.value(LAG) > 0


def test_the_label_of_an_unknown_provider_is_decided_by_the_process() -> None:
    registry = Registry("gateway")
    audit = AuditMetrics(registry, lambda name: name if name == "k8s" else OTHER)

    audit.published("k8s", "expired")
    audit.published("forged", "expired")
    audit.dead_letter("forged")

    scrape = Scrape.of_registry(registry)
    assert scrape.value(OUTCOMES, provider=OTHER, result="expired") == 1
    assert scrape.labels("machinist_dead_letters_total") == [{"provider": OTHER}]


def test_the_provider_of_a_dead_letter_is_that_of_its_partition() -> None:
    def letter(queue: str) -> Message:
        return Message(
            exchange="machinist.dead",
            key="",
            body=b"",
            type="",
            message_id="1",
            headers={"queue": queue},
        )

    assert provider_of(letter("machinist.k8s-eu1.commands.3")) == "k8s-eu1"
    assert provider_of(letter("machinist.ended")) == ""
