"""Metrics of requests: every request is counted once, and no client can create time series."""

import pytest

from contracts.broker.attendance import Attendance
from contracts.faults import Code, Fault
from contracts.observation.registry import Registry
from gateway.metrics import OK, Measured, Metrics, ProviderLabels
from tests.gateway.client import Client
from tests.loopback import Loopback, gateway_over
from tests.memory import MemoryProvider
from tests.observation.scraping import Scrape
from tests.producer import announcement

REQUESTS = "machinist_gateway_requests_total"
DURATIONS = "machinist_gateway_request_duration_seconds_count"
IN_FLIGHT = "machinist_gateway_requests_in_flight"
WORKERS = "machinist_gateway_provider_workers"
OTHER = "(other)"

SOME = 50
"""Hostile requests of every kind."""


class Observed:
    """A gateway in this process, with metrics of its own."""

    def __init__(self, loopback: Loopback) -> None:
        self.registry = Registry("gateway")
        self.metrics = Metrics(self.registry, loopback.attendance)
        self.client = Client(Measured(gateway_over(loopback), self.metrics))

    def scrape(self) -> Scrape:
        return Scrape.of_registry(self.registry)

    def requests(self) -> list[dict[str, str]]:
        return self.scrape().labels(REQUESTS)


@pytest.fixture
def gateway(loopback: Loopback) -> Observed:
    return Observed(loopback)


def labels(provider: str, operation: str, status: int, code: str) -> dict[str, str]:
    return {"provider": provider, "operation": operation, "status": str(status), "code": code}


async def test_a_successful_request_is_counted_with_its_duration(gateway: Observed) -> None:
    await gateway.client.get("/memory/machines/default")
    await gateway.client.ask("HEAD", "/memory/machines/default")

    scrape = gateway.scrape()
    assert scrape.labels(REQUESTS) == [labels("memory", "get_machines", 200, OK)]
    assert scrape.value(REQUESTS) == 2
    assert scrape.value(DURATIONS, provider="memory", operation="get_machines") == 2


async def test_the_fault_of_a_worker_is_counted_by_its_code(
    gateway: Observed, memory: MemoryProvider
) -> None:
    memory.failures = [Fault(Code.PLATFORM_LIMITING, "slow down")]

    await gateway.client.get("/memory/machines/default")
    await gateway.client.get("/memory/machines/default/absent")

    assert gateway.requests() == [
        labels("memory", "get_machines", 429, "platform_limiting"),
        labels("memory", "get_machine", 404, "not_found"),
    ]


async def test_a_fault_before_the_call_is_counted_by_its_code(gateway: Observed) -> None:
    await gateway.client.get("/absent/machines/default")
    await gateway.client.ask("PUT", "/memory/controllers/default", b"{")

    assert gateway.requests() == [
        labels("absent", "get_machines", 503, "provider_unattended"),
        labels(OTHER, "apply_controller", 400, "invalid"),
    ]


async def test_the_provider_label_is_decoded_like_the_path(gateway: Observed) -> None:
    await gateway.client.get("/%6demory/machines/default")

    assert gateway.requests() == [labels("memory", "get_machines", 200, OK)]


async def test_the_pages_of_the_gateway_are_not_counted(gateway: Observed) -> None:
    for path in ("/status", "/documentation/json"):
        await gateway.client.get(path)
    await gateway.client.ask("OPTIONS", "/memory/machines/default")

    assert gateway.requests() == []


@pytest.mark.parametrize("number", [500, pytest.param(10_000, marks=pytest.mark.full)])
async def test_hostile_requests_create_no_time_series(
    gateway: Observed, loopback: Loopback, number: int
) -> None:
    def hostile(each: int) -> tuple[str, str]:
        kinds = (
            ("GET", f"/p{each}/machines/default"),
            ("GET", f"/memory/m{each}"),
            (f"M{each}", "/memory/machines/default"),
            ("GET", f"/memory/machines/s{each}/m{each}"),
            ("GET", f"/memory/machines/default?labels[{each}]=a"),
        )
        return kinds[each % len(kinds)]

    async def send(numbers: range) -> None:
        for each in numbers:
            if each % SOME == 0:
                loopback.attendance.hear(announcement("memory"))
            await gateway.client.ask(*hostile(each))

    await send(range(SOME))
    before = gateway.scrape()
    await send(range(SOME, number))
    after = gateway.scrape()

    assert after.series == before.series
    assert after.value(REQUESTS) == number
    assert {each["provider"] for each in after.labels(REQUESTS)} == {"memory", OTHER}
    assert {each["operation"] for each in after.labels(REQUESTS)} == {
        "get_machine",
        "get_machines",
        OTHER,
    }


async def test_a_provider_has_series_as_soon_as_a_worker_announces_it() -> None:
    attendance = Attendance([])
    providers = ProviderLabels(attendance.knows)

    before = providers("k8s-eu1")
    attendance.hear(announcement("k8s-eu1"))

    assert (before, providers("k8s-eu1")) == (OTHER, "k8s-eu1")


async def test_calls_and_workers_are_read_at_each_scrape(gateway: Observed) -> None:
    calls = {("memory", "get_machines"): 3}
    gateway.metrics.watch(lambda: calls, 512)
    await gateway.client.get("/memory/machines/default")
    during = gateway.scrape()
    calls.clear()
    after = gateway.scrape()

    assert during.value(IN_FLIGHT, provider="memory", operation="get_machines") == 3
    assert after.value(IN_FLIGHT, provider="memory", operation="get_machines") == 0
    assert after.value(f"{IN_FLIGHT}_limit") == 512
    assert {each["provider"] for each in after.labels(WORKERS)} == {"absent", "memory"}


async def test_the_counters_of_a_known_provider_begin_at_0(gateway: Observed) -> None:
    gateway.metrics.watch(dict, 512)

    scrape = gateway.scrape()

    assert {"provider": "absent"} in scrape.labels("machinist_dead_letters_total")
    assert {"provider": "absent", "result": "expired"} in scrape.labels(
        "machinist_audit_outcomes_total"
    )
