"""Metrics of a worker: what its seams count."""

import asyncio
from contextlib import suppress
from math import inf
from typing import Any

import msgspec
import pytest

from contracts.faults import Code, Fault
from contracts.observation.registry import Registry
from contracts.operation import Operation
from contracts.seal import Seals
from contracts.topology import PARTITION_TTL_MS
from contracts.wire import HEADER_DEADLINE, Message
from tests.examples import EXAMPLES, message_of
from tests.observation.scraping import Scrape
from tests.worker import virtual
from tests.worker.ledger import event, working
from tests.worker.providers import Behaviour, FullProvider
from tests.worker.scene import SECOND, scene
from worker.dispatch import Dispatch
from worker.gauges import watch_informers, watch_shared_reads
from worker.messages.clock import waited
from worker.optional_methods import InformerState, SharedReadsState
from worker.provider import Call

ENDED = "machinist_worker_operations_total"
IN_FLIGHT = "machinist_worker_operations_in_flight"
QUEUE = "machinist_worker_queue_duration_seconds"
PLATFORM = "machinist_worker_platform_duration_seconds"
MISSED = "machinist_worker_deadlines_missed_total"
REDELIVERIES = "machinist_worker_redeliveries_total"
REQUESTS = "machinist_worker_platform_requests_total"
REQUEST_DURATIONS = "machinist_worker_platform_request_duration_seconds"
RETRIES = "machinist_worker_platform_retries_total"
QUERY = message_of(EXAMPLES["get_machine"])
OF_QUERY = {"provider": "k8s", "operation": "get_machine"}
OF_SCALE = {"provider": "k8s", "operation": "update_controller_replicas"}
OTHER = "(other)"


async def scrape_after(behaviour: Behaviour, seconds: float = 10) -> Scrape:
    """Run a query with this behaviour of the platform."""
    dispatch = Dispatch("k8s", FullProvider(behaviour), Seals([]))
    await dispatch.run(QUERY, Call.within(seconds))
    return scrape_of(dispatch)


def scrape_of(dispatch: Dispatch) -> Scrape:
    return Scrape.of_registry(dispatch.metrics.registry)


def ended(scrape: Scrape) -> dict[str, float]:
    """Return the number of operations that have ended, by code."""
    codes = {labels["code"] for labels in scrape.labels(ENDED)}
    numbers = {code: scrape.value(ENDED, code=code) for code in codes}
    return {code: number for code, number in numbers.items() if number}


def raising(error: Exception) -> Behaviour:
    async def behave(operation: Operation[Any], call: Call) -> Any:
        raise error

    return behave


async def test_a_run_is_counted_with_its_time_at_the_platform() -> None:
    dispatch = Dispatch("k8s", FullProvider(), Seals([]))
    await dispatch.run(QUERY, Call.within(10))

    scrape = scrape_of(dispatch)
    assert ended(scrape) == {"ok": 1}
    assert scrape.value(f"{PLATFORM}_count", **OF_QUERY) == 1
    assert scrape.value(IN_FLIGHT) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Fault(Code.PLATFORM_FAILED, "broken"), "platform_failed"),
        (RuntimeError("a bug"), "internal"),
    ],
)
async def test_a_failed_run_is_counted_by_its_code(error: Exception, code: str) -> None:
    scrape = await scrape_after(raising(error))

    assert ended(scrape) == {code: 1}


async def test_an_operation_at_the_platform_is_in_flight_until_it_is_cancelled() -> None:
    at_the_platform = asyncio.Event()

    async def wait(operation: Operation[Any], call: Call) -> Any:
        at_the_platform.set()
        await asyncio.Event().wait()

    dispatch = Dispatch("k8s", FullProvider(wait), Seals([]))
    running = asyncio.create_task(dispatch.run(QUERY, Call.within(60)))
    await at_the_platform.wait()
    during = scrape_of(dispatch)
    running.cancel()
    await asyncio.wait([running])
    after = scrape_of(dispatch)

    assert (during.value(IN_FLIGHT, **OF_QUERY), after.value(IN_FLIGHT, **OF_QUERY)) == (1, 0)
    assert ended(after) == {"cancelled": 1}


async def test_a_run_over_its_deadline_is_a_missed_deadline_at_the_platform() -> None:
    async def wait(operation: Operation[Any], call: Call) -> Any:
        await asyncio.Event().wait()

    scrape = await scrape_after(wait, seconds=0.01)

    assert ended(scrape) == {"deadline_exceeded": 1}
    assert scrape.labels(MISSED) == [OF_QUERY | {"stage": "platform"}]


async def test_the_requests_and_retries_of_a_run_are_counted_even_if_it_fails() -> None:
    async def behave(operation: Operation[Any], call: Call) -> Any:
        with call.request("GET") as sent:
            sent.status = "429"
        call.retried(Code.PLATFORM_LIMITING)
        with call.request("GET"):
            raise Fault(Code.PLATFORM_UNREACHABLE, "no route")

    scrape = await scrape_after(behave)

    assert scrape.labels(REQUESTS) == [
        {"provider": "k8s", "action": "GET", "status": "429"},
        {"provider": "k8s", "action": "GET", "status": "platform_unreachable"},
    ]
    assert scrape.value(f"{REQUEST_DURATIONS}_count", provider="k8s", action="GET") == 2
    assert scrape.value(RETRIES, provider="k8s", code="platform_limiting") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (Fault(Code.PLATFORM_UNREACHABLE, "no route"), "platform_unreachable"),
    ],
)
def test_a_request_without_a_response_has_the_code_of_its_end(
    error: BaseException, status: str
) -> None:
    call = Call.within(10)
    with suppress(asyncio.CancelledError, Fault), call.request("GET"):
        raise error

    assert [(each.action, each.status) for each in call.requests] == [("GET", status)]


@virtual.time
async def test_a_command_without_time_to_start_is_a_missed_deadline_in_the_queue() -> None:
    async with working() as worker:
        late = msgspec.structs.replace(event(1), headers={HEADER_DEADLINE: 1}, expiration=1)
        await worker.run(late)

        scrape = scrape_of(worker.dispatch)
        assert scrape.labels(MISSED) == [OF_SCALE | {"stage": "queue"}]
        assert ended(scrape) == {"deadline_exceeded": 1}
        assert not scrape.labels(f"{QUEUE}_count")


@virtual.time
async def test_a_command_that_is_run_has_a_time_in_the_queue() -> None:
    async with working() as worker:
        await worker.run(event(1))

        scrape = scrape_of(worker.dispatch)
        assert scrape.value(f"{QUEUE}_count", **OF_SCALE) == 1


@virtual.time
async def test_a_redelivered_command_is_counted() -> None:
    async with working() as worker:
        worker.take(event(1))
        worker.take(event(1), redelivered=True)

        scrape = scrape_of(worker.dispatch)
        assert scrape.value(REDELIVERIES, **OF_SCALE) == 1


@virtual.time
async def test_a_hostile_message_creates_no_time_series() -> None:
    async with working() as worker:

        async def refuse(number: int) -> None:
            message = msgspec.structs.replace(event(number), type=f"hostile_{number}")
            await worker.run(message, redelivered=True)

        await refuse(1)
        before = scrape_of(worker.dispatch)
        for number in range(2, 50):
            await refuse(number)
        after = scrape_of(worker.dispatch)

        assert after.series == before.series
        assert after.value(ENDED, operation=OTHER, code="not_understood") == 49
        assert after.value(REDELIVERIES, operation=OTHER) == 49


def waiting(**changes: Any) -> Message:
    return msgspec.structs.replace(QUERY, **changes)


@pytest.mark.parametrize(
    ("message", "left", "seconds"),
    [
        (waiting(expiration=10_000), 7.5, 2.5),
        (waiting(expiration=10_000), 10.5, 0.0),
        (waiting(expiration=None, headers={}), PARTITION_TTL_MS / 1000 - 3, 3.0),
        (waiting(expiration=None, headers={HEADER_DEADLINE: 1}), 7.5, None),
    ],
)
def test_the_time_in_the_queue_is_the_used_part_of_the_deadline(
    message: Message, left: float, seconds: float | None
) -> None:
    assert waited(message, left) == seconds


@virtual.time
async def test_a_partition_counts_the_ends_of_its_ownership_and_its_commands() -> None:
    async with scene() as s:
        s.partition.leave()
        await asyncio.sleep(0.1)
        assert s.partition.handovers == 0, "expected no hand-over of a partition without an owner"

        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        held = s.partition.held
        await asyncio.sleep(5 * SECOND)
        s.partition.leave()
        await asyncio.sleep(0.1)

        assert (held, s.partition.held) == (2, 0)
        assert s.partition.handovers == 1


def test_every_outcome_of_the_worker_begins_at_0() -> None:
    worker = Dispatch("k8s", FullProvider(), Seals([]))

    scrape = scrape_of(worker)

    assert {"provider": "k8s", "result": "done"} in scrape.labels("machinist_audit_outcomes_total")
    assert {"provider": "k8s"} in scrape.labels("machinist_dead_letters_total")


def test_informers_are_counted_by_resource() -> None:
    def state(resource: str, age_s: float, *, is_trusted: bool = True) -> InformerState:
        return InformerState(resource, 10, 4000, age_s, is_trusted, 1, None)

    states = [state("pods", 2), state("pods", 30), state("pods", inf, is_trusted=False)]
    registry = Registry("worker")
    watch_informers(registry, "k8s", lambda: states)
    both = Scrape.of_registry(registry)
    states[:] = [state("services", 1)]
    later = Scrape.of_registry(registry)

    pods = {"provider": "k8s", "resource": "pods"}
    name = "machinist_worker_informer"
    assert both.value(f"{name}s", **pods, trusted="true") == 2
    assert both.value(f"{name}s", **pods, trusted="false") == 1
    assert both.value(f"{name}_objects", **pods) == 30
    assert both.value(f"{name}_bytes", **pods) == 12_000
    assert both.value(f"{name}_age_seconds", **pods) == 30
    assert both.value(f"{name}_resyncs", **pods) == 3
    assert [labels["resource"] for labels in later.labels(f"{name}_objects")] == ["services"]


def test_shared_reads_are_counted_by_result() -> None:
    registry = Registry("worker")
    watch_shared_reads(registry, "ecs", lambda: SharedReadsState(5, 4, 3, entries=2, bytes=1000))
    scrape = Scrape.of_registry(registry)

    name = "machinist_worker_shared_read"
    counts = {
        each: scrape.value(f"{name}s_total", provider="ecs", result=each)
        for each in ("copy", "joined", "sent")
    }
    assert counts == {"copy": 5, "joined": 4, "sent": 3}
    assert scrape.value(f"{name}_entries", provider="ecs") == 2
    assert scrape.value(f"{name}_bytes", provider="ecs") == 1000
