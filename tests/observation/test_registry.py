"""The registry: bounded label sets, values that are read at a scrape, standard collectors."""

import platform

import pytest
from prometheus_client.exposition import generate_latest

from contracts import VERSION
from contracts.observation.registry import BUCKETS_S, MAX_SERIES, OTHER, Registry
from tests.observation.scraping import Scrape


@pytest.fixture
def registry() -> Registry:
    return Registry("worker")


def test_a_metric_with_the_maximal_number_of_label_sets_counts_further_ones_together(
    registry: Registry,
) -> None:
    counter = registry.counter("a_total", "A.", "x", "y")
    for number in range(MAX_SERIES + 100):
        counter[str(number), "y"].inc()

    scrape = Scrape.of_registry(registry)
    assert len(scrape.labels("a_total")) == MAX_SERIES + 1
    assert scrape.value("a_total", x=OTHER, y=OTHER) == 100


def test_a_label_set_is_looked_up_once(registry: Registry) -> None:
    counter = registry.counter("a_total", "A.", "x")

    assert counter["1",] is counter["1",]


def test_a_total_is_read_at_each_scrape(registry: Registry) -> None:
    total = 1.0
    registry.total("b_total", "B.", "x", read=lambda: {("a",): total})
    first = Scrape.of_registry(registry)
    total = 3.0
    second = Scrape.of_registry(registry)

    assert (first.value("b_total", x="a"), second.value("b_total", x="a")) == (1, 3)


def test_two_registries_share_nothing(registry: Registry) -> None:
    other = Registry("gateway")
    registry.counter("a_total", "A.")[()].inc()
    other.counter("a_total", "A.")

    assert Scrape.of_registry(other).value("a_total") == 0


def test_a_process_describes_itself_and_its_build(registry: Registry) -> None:
    scrape = Scrape.of_registry(registry)

    build = {"component": "worker", "version": VERSION, "python": platform.python_version()}
    assert scrape.labels("machinist_build_info") == [build]
    assert scrape.value("process_resident_memory_bytes") > 0
    assert scrape.labels("python_gc_collections_total")


def test_a_counter_and_a_histogram_have_no_series_of_their_creation(registry: Registry) -> None:
    registry.counter("a_total", "A.")[()].inc()
    registry.histogram("c_seconds", "C.")[()].observe(0.2)

    text = generate_latest(registry.collectors).decode()

    assert "_created" not in text
    assert text.count("c_seconds_bucket") == len(BUCKETS_S) + 1
