"""Promise 6 under failure: no queue, stream, dead letter, log, metric or error has a secret."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts import topology
from contracts.records.dead_letters import NOT_KEPT
from contracts.records.results import Result
from deploy.rabbitmq.node import RabbitNode
from tests.auditor import Auditor
from tests.kubernetes import manifests
from tests.observation.collector import Collector, collecting
from tests.secrets import bodies
from tests.secrets.broker import Broker, as_bytes
from tests.secrets.canary import Canary
from tests.secrets.scenario import (
    SHORT_MS,
    Scenario,
    changed,
    message_of_example,
    open_event,
    put,
)
from tests.stack import Stack, eventually

ON_DISK = ["/stream/", "/quorum/"]
LOUD = Path(__file__).parent / "loud"
PAGES = ("/ready", "/status", "/documentation", "/documentation/messages", "/documentation/json")


@pytest.fixture
def broker(stack: Stack, rabbit: RabbitNode) -> Iterator[Broker]:
    """A reader of the stack's virtual host."""
    broker = Broker(stack.amqp_url, rabbit)
    yield broker
    broker.close()


def found(canary: Canary, places: Mapping[Any, object]) -> list[str]:
    """Return the places that contain the canary, with its context."""
    searched = {name: canary.found(as_bytes(text)) for name, text in places.items()}
    return [f"{name}: {text}" for name, text in searched.items() if text]


def readable(
    scenario: Scenario, audit: Auditor, collector: Collector, since: float
) -> dict[str, object]:
    """Return all readable texts after a scenario, by place."""
    broker = scenario.broker
    places: dict[str, object] = dict(scenario.logs())
    for number, answer in enumerate(scenario.answers):
        head = repr(answer.headers).encode()
        places[f"answer {number} {answer.status_code}"] = head + answer.content
    for name, messages in broker.queues().items():
        places |= {f"queue {name} {number}": each for number, each in enumerate(messages)}
    places |= {f"trace {number}": each for number, each in enumerate(collector.bodies)}
    places |= {f"stream {number}": each for number, each in enumerate(broker.stream())}
    places |= {f"outcome {number}": each for number, each in enumerate(audit.outcomes())}
    return places | {f"file {name}": content for name, content in broker.files(since)}


def _has_run(collector: Collector) -> bool:
    return any(span.name.startswith("process") for span in list(collector.spans))


def test_a_secret_is_readable_nowhere_after_successes_and_failures_of_every_kind(
    stack: Stack, broker: Broker
) -> None:
    canary, since = Canary(), time.time()
    with Auditor(stack.amqp_url) as audit, collecting() as collector:
        variables = {**collector.variables, "PLT_ACCESS_LOG": "true", "PYTHONASYNCIODEBUG": "1"}
        scenario = Scenario(stack, canary, broker, **variables)
        worker = scenario.worker("trace")
        gateway = scenario.gateway("debug")
        impatient = scenario.gateway("trace", PLT_DEADLINE_MS=f"commands={SHORT_MS}")
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")

        scenario.apply(gateway)
        scenario.be_refused(gateway)
        scenario.send_invalid(gateway)
        dead = scenario.replay()
        worker = scenario.survive_kill(gateway, worker)
        scenario.expire(impatient, worker)
        for message in dead:
            assert audit.final(message.message_id).result is Result.DEAD
        metrics = scenario.metrics(gateway, impatient, worker)
        worker.terminate()
        worker.ended()
        ended = scenario.be_dead_lettered(audit)
        assert ended == [Result.EXPIRED, Result.DEAD, Result.DEAD]
        for page in PAGES:
            gateway.get(page)

        seen = {outcome.result for _, outcome in audit.outcomes()}
        assert seen == set(Result) - {Result.SUPERSEDED, Result.REFUSED}
        assert {"machinist-gateway", "machinist-worker"} == {s.service for s in collector.spans}
        assert all("machinist_audit_outcomes_total{" in text for text in metrics.values())
        assert not found(canary, readable(scenario, audit, collector, since) | metrics)


def test_an_unsealed_canary_is_found_in_every_searched_place(stack: Stack, broker: Broker) -> None:
    """Proves that the search of the other test works."""
    canary, since = Canary(), time.time()
    with Auditor(stack.amqp_url) as audit, collecting() as collector:
        scenario = Scenario(stack, canary, broker, **collector.variables)
        scenario.worker("debug")
        gateway = scenario.gateway("debug")
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        put(gateway, "/k8s/services/default", manifests.service(kind=canary.core), 400)
        misplaced = message_of_example("update_controller_replicas")
        misplaced = changed(misplaced, key=f"{misplaced.key}-{canary.core}")
        broker.publish(misplaced)
        audit.final(misplaced.message_id)

        eventually(lambda: _has_run(collector), what="the span of the command is exported")
        kinds = ("worker.log", "answer", "queue machinist.recent", "queue machinist.dead",
                 "stream", "outcome", "trace")  # fmt: skip
        names = " ".join(found(canary, readable(scenario, audit, collector, since)))
        assert [kind for kind in kinds if kind not in names] == []

        def open_on_disk() -> list[str]:
            files = " ".join(found(canary, dict(broker.files(since))))
            return [place for place in ON_DISK if place in files]

        eventually(lambda: open_on_disk() == ON_DISK, what="the canary is on the broker's disk")


def test_an_unsealed_secret_of_a_producer_is_not_copied(stack: Stack, broker: Broker) -> None:
    """The dead letters, outcomes and logs do not contain the secret of the event."""
    canary = Canary()
    allowed = "machinist=apply_secret+apply_workload"
    scenario = Scenario(stack, canary, broker, PLT_PRODUCERS=allowed)
    with Auditor(stack.amqp_url) as audit:
        scenario.worker("debug")
        gateway = scenario.gateway("debug")
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        event = open_event(bodies.secret(canary))
        cut = changed(event, body=event.body[:-1])
        misspelt = changed(event, type="aply_secret")
        broker.publish(event, cut, misspelt)
        for message in (event, cut, misspelt):
            assert audit.final(message.message_id).result is Result.DEAD

        letters = broker.shown(topology.DEAD)
        assert [letter["payload"] for letter in letters] == [NOT_KEPT.decode()] * 3
        assert not found(canary, dict(enumerate([letters, audit.outcomes(), scenario.logs()])))
        assert stack.sandbox.calls.writes() == []


def test_no_library_logs_a_secret_at_any_level(stack: Stack, broker: Broker) -> None:
    canary = Canary()
    python = {"PYTHONASYNCIODEBUG": "1", "PYTHONPATH": str(LOUD)}
    scenario = Scenario(stack, canary, broker, **python, PLT_LOG_FORMAT="text")
    scenario.worker("trace")
    gateway = scenario.gateway("trace")
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")

    scenario.apply(gateway)
    scenario.be_refused(gateway)
    scenario.send_invalid(gateway)

    worker_log, gateway_log = scenario.logs().values()
    for logged in ("aiormq", "asyncio: Executing"):
        assert logged in worker_log
        assert logged in gateway_log
    assert not found(canary, scenario.logs())
    for own in (scenario.key, stack.sandbox.token, stack.node.password):
        assert own not in worker_log + gateway_log
