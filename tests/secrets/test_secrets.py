"""Promise 6 under failure: no secret is readable in a queue, stream, dead letter, log or error."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts import topology
from contracts.dead_letters import NOT_KEPT
from contracts.results import Result
from deploy.rabbitmq.node import RabbitNode
from tests.auditor import Auditor
from tests.kubernetes import manifests
from tests.secrets import bodies
from tests.secrets.canary import Canary
from tests.secrets.journey import SHORT_MS, Journey, but, message_of_example, open_event, put
from tests.secrets.places import Broker, as_bytes
from tests.stack import Stack, eventually

ON_DISK = ["/stream/", "/quorum/"]
LOUD = Path(__file__).parent / "loud"
PAGES = ("/ready", "/status", "/documentation", "/documentation/json")


@pytest.fixture
def broker(stack: Stack, rabbit: RabbitNode) -> Iterator[Broker]:
    """The stack's virtual host, to be read."""
    broker = Broker(stack.amqp_url, rabbit)
    yield broker
    broker.close()


def found(canary: Canary, places: Mapping[Any, object]) -> list[str]:
    """Where the canary is, with what is around it."""
    searched = {name: canary.found(as_bytes(text)) for name, text in places.items()}
    return [f"{name}: {text}" for name, text in searched.items() if text]


def readable(journey: Journey, audit: Auditor, since: float) -> dict[str, object]:
    """All that can be read when it is over, by its place."""
    broker = journey.broker
    places: dict[str, object] = dict(journey.logs())
    for number, answer in enumerate(journey.answers):
        said = repr(answer.headers).encode() + answer.content
        places[f"answer {number} {answer.status_code}"] = said
    for name, messages in broker.queues().items():
        places |= {f"queue {name} {number}": each for number, each in enumerate(messages)}
    places |= {f"stream {number}": each for number, each in enumerate(broker.stream())}
    places |= {f"outcome {number}": each for number, each in enumerate(audit.outcomes())}
    return places | {f"file {name}": content for name, content in broker.files(since)}


def test_a_secret_that_went_through_everything_is_found_nowhere(
    stack: Stack, broker: Broker
) -> None:
    canary, since = Canary(), time.time()
    journey = Journey(stack, canary, broker, PYTHONASYNCIODEBUG="1")
    with Auditor(stack.amqp_url) as audit:
        worker = journey.worker("trace")
        gateway = journey.gateway("debug")
        impatient = journey.gateway("trace", PLT_DEADLINE_MS=f"commands={SHORT_MS}")
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")

        journey.succeed(gateway)
        journey.fail(gateway)
        journey.break_(gateway)
        dead = journey.replay()
        worker = journey.survive(gateway, worker)
        journey.outlast(impatient, worker)
        for message in dead:
            assert audit.final(message.message_id).result is Result.DEAD
        worker.terminate()
        worker.ended()
        ended = journey.end_at_the_broker(audit)
        assert ended == [Result.EXPIRED, Result.DEAD, Result.DEAD]
        for page in PAGES:
            gateway.get(page)

        seen = {outcome.result for _, outcome in audit.outcomes()}
        assert seen == set(Result) - {Result.SUPERSEDED, Result.REFUSED}
        assert not found(canary, readable(journey, audit, since))


def test_what_came_open_is_found_in_every_place_that_is_searched(
    stack: Stack, broker: Broker
) -> None:
    """The search would find a secret: this is one that nobody sealed."""
    canary, since = Canary(), time.time()
    journey = Journey(stack, canary, broker)
    with Auditor(stack.amqp_url) as audit:
        journey.worker("debug")
        gateway = journey.gateway("debug")
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        put(gateway, "/k8s/services/default", manifests.service(kind=canary.core), 400)
        misplaced = message_of_example("update_controller_replicas")
        misplaced = but(misplaced, key=f"{misplaced.key}-{canary.core}")
        broker.publish(misplaced)
        audit.final(misplaced.message_id)

        kinds = ("worker.log", "answer", "queue machinist.recent", "queue machinist.dead",
                 "stream", "outcome")  # fmt: skip
        names = " ".join(found(canary, readable(journey, audit, since)))
        assert [kind for kind in kinds if kind not in names] == []

        def open_on_disk() -> list[str]:
            files = " ".join(found(canary, dict(broker.files(since))))
            return [place for place in ON_DISK if place in files]

        eventually(lambda: open_on_disk() == ON_DISK, what="it is on the broker's disk")


def test_a_secret_that_a_producer_published_open_is_not_spread_any_further(
    stack: Stack, broker: Broker
) -> None:
    """It is in the audit, where he put it; whoever reads what became of it reads no secret."""
    canary = Canary()
    allowed = "machinist=apply_secret+apply_workload"
    journey = Journey(stack, canary, broker, PLT_PRODUCERS=allowed)
    with Auditor(stack.amqp_url) as audit:
        journey.worker("debug")
        gateway = journey.gateway("debug")
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        event = open_event(bodies.secret(canary))
        cut = but(event, body=event.body[:-1])
        misspelt = but(event, type="aply_secret")
        broker.publish(event, cut, misspelt)
        for message in (event, cut, misspelt):
            assert audit.final(message.message_id).result is Result.DEAD

        letters = broker.shown(topology.DEAD)
        assert [letter["payload"] for letter in letters] == [NOT_KEPT.decode()] * 3
        assert not found(canary, dict(enumerate([letters, audit.outcomes(), journey.logs()])))
        assert stack.sandbox.calls.writes() == []


def test_no_library_tells_a_secret_however_loud_it_is(stack: Stack, broker: Broker) -> None:
    canary = Canary()
    journey = Journey(stack, canary, broker, PYTHONASYNCIODEBUG="1", PYTHONPATH=str(LOUD))
    journey.worker("trace")
    gateway = journey.gateway("trace")
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")

    journey.succeed(gateway)
    journey.fail(gateway)
    journey.break_(gateway)

    worker_log, gateway_log = journey.logs().values()
    for said in ("aiormq", "asyncio: Executing"):
        assert said in worker_log
        assert said in gateway_log
    assert "httpx" in worker_log
    assert not found(canary, journey.logs())
    for own in (journey.key, stack.sandbox.token, stack.node.password):
        assert own not in worker_log + gateway_log
