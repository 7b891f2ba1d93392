"""The registry: bounded label sets, values that are read at a scrape, standard collectors."""

import platform

import pytest
from prometheus_client.exposition import generate_latest

from contracts import VERSION
from contracts.observation.registry import BUCKETS_S, LE, MAX_SERIES, OTHER, Registry
from tests.observation.scraping import Scrape


@pytest.fixture
def registry() -> Registry:
    return Registry("worker")


def test_a_metric_with_the_maximal_number_of_label_sets_counts_further_ones_together(
    registry: Registry,
) -> None:
    counter = registry.counter("a_total", "A.", "x", "y")
    for number in range(MAX_SERIES + 100):
        counter[str(number), "y"].add()

    scrape = Scrape.of_registry(registry)
    assert len(scrape.labels("a_total")) == MAX_SERIES + 1
    assert scrape.value("a_total", x=OTHER, y=OTHER) == 100


def test_a_label_set_is_looked_up_once(registry: Registry) -> None:
    counter = registry.counter("a_total", "A.", "x")

    assert counter["1",] is counter["1",]


def test_a_value_is_read_at_each_scrape(registry: Registry) -> None:
    value = 1.0
    gauge = registry.gauge("b", "B.")
    registry.on_scrape(lambda: gauge[()].set(value))
    first = Scrape.of_registry(registry)
    value = 3.0
    second = Scrape.of_registry(registry)

    assert (first.value("b"), second.value("b")) == (1, 3)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (60.1, "+Inf")]
)
def test_a_duration_is_in_all_buckets_from_the_first_that_it_does_not_exceed(
    registry: Registry, seconds: float, bucket: str
) -> None:
    registry.histogram("c_seconds", "C.")[()].add(seconds)

    scrape = Scrape.of_registry(registry)
    counts = [scrape.value("c_seconds_bucket", le=le) for le in LE]
    first = LE.index(bucket)
    assert counts == [0.0] * first + [1.0] * (len(LE) - first)
    assert (scrape.value("c_seconds_count"), scrape.value("c_seconds_sum")) == (1, seconds)


def test_a_name_is_registered_once_and_with_all_labels(registry: Registry) -> None:
    counter = registry.counter("a_total", "A.", "x")

    with pytest.raises(ValueError, match="a_total is registered already"):
        registry.gauge("a_total", "A.")
    with pytest.raises(
        ValueError, match=r"expected values of the labels \('x',\), got \('1', '2'\)"
    ):
        counter["1", "2"].add()


def test_two_registries_share_nothing(registry: Registry) -> None:
    other = Registry("gateway")
    registry.counter("a_total", "A.")[()].add()
    other.counter("a_total", "A.")

    assert Scrape.of_registry(other).value("a_total") == 0


def test_a_process_describes_itself_and_its_build(registry: Registry) -> None:
    scrape = Scrape.of_registry(registry)

    build = {"component": "worker", "version": VERSION, "python": platform.python_version()}
    assert scrape.labels("machinist_build_info") == [build]
    assert scrape.value("process_resident_memory_bytes") > 0
    assert scrape.labels("python_gc_collections_total")


def test_the_text_has_no_series_of_the_creation_of_metrics(registry: Registry) -> None:
    registry.counter("a_total", "A.")[()].add()
    registry.histogram("c_seconds", "C.")[()].add(0.2)

    text = generate_latest(registry).decode()

    assert "_created" not in text
    assert text.count("c_seconds_bucket") == len(BUCKETS_S) + 1
