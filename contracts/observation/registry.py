"""The metrics of one process, and the constructors of its counters, gauges and histograms."""

import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric as Samples
from prometheus_client.registry import Collector

from contracts import VERSION

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds in seconds: a query takes milliseconds, a command 30 seconds at most by default."""

OTHER = "(other)"
"""The value of a label for everything outside its closed set; no provider can have this name."""

MAX_SERIES = 10_000
"""The maximal number of label sets of one metric; a further one is counted under OTHER."""

Component = Literal["gateway", "worker"]
Sample = Callable[[], None]
Totals = Mapping[tuple[str, ...], float]
"""The values of a counter by the values of its labels."""
Metric = TypeVar("Metric", Counter, Gauge, Histogram)


class Family(dict[tuple[str, ...], Metric], Generic[Metric]):
    """A metric by the values of its labels: `requests["k8s", "get_machines"].inc()`.

    A label set is looked up in the library once; that takes longer than counting. The key of a
    metric without labels is `()`.
    """

    def __init__(self, metric: Metric, labels: int) -> None:
        super().__init__()
        self._metric: Metric = metric
        self._labels = labels

    def __missing__(self, values: tuple[str, ...]) -> Metric:
        if len(self) >= MAX_SERIES and (rest := (OTHER,) * self._labels) != values:
            return self[rest]
        child: Metric = self._metric.labels(*values) if values else self._metric
        self[values] = child
        return child


class _Total(Collector):
    """A counter whose values are read at each scrape."""

    def __init__(
        self, name: str, purpose: str, labels: tuple[str, ...], read: Callable[[], Totals]
    ) -> None:
        self._described = name, purpose, labels
        self._read = read
        self._values: Totals = {}

    def sample(self) -> None:
        self._values = self._read()

    def collect(self) -> Iterable[Samples]:
        name, purpose, labels = self._described
        family = CounterMetricFamily(name, purpose, labels=labels)
        for values, number in self._values.items():
            family.add_metric(values, number)
        return [family]


class Registry:
    """The metrics of one process. A test makes its own.

    Values that a process has anyway are read when it is scraped (`on_scrape`), so that they cost
    nothing per request.
    """

    def __init__(self, component: Component) -> None:
        # One series less for every counter and histogram. The setting is the library's, for the
        # whole process.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
        self.collectors = CollectorRegistry()
        self._samples: list[Sample] = []
        ProcessCollector(registry=self.collectors)
        GCCollector(registry=self.collectors)
        self.gauge(
            "machinist_build_info",
            "The version of machinist and of Python; always 1.",
            *("component", "version", "python"),
        )[component, VERSION, platform.python_version()].set(1)

    def counter(self, name: str, purpose: str, *labels: str) -> Family[Counter]:
        """Register a counter."""
        metric = Counter(name, purpose, labels, registry=self.collectors)
        return Family(metric, len(labels))

    def gauge(self, name: str, purpose: str, *labels: str) -> Family[Gauge]:
        """Register a gauge."""
        return Family(Gauge(name, purpose, labels, registry=self.collectors), len(labels))

    def histogram(self, name: str, purpose: str, *labels: str) -> Family[Histogram]:
        """Register a histogram of durations in seconds, with the buckets BUCKETS_S."""
        metric = Histogram(name, purpose, labels, registry=self.collectors, buckets=BUCKETS_S)
        return Family(metric, len(labels))

    def total(self, name: str, purpose: str, *labels: str, read: Callable[[], Totals]) -> None:
        """Register a counter that the process keeps itself, and `read` returns at a scrape."""
        total = _Total(name, purpose, labels, read)
        self.collectors.register(total)
        self.on_scrape(total.sample)

    def on_scrape(self, sample: Sample) -> None:
        """Call `sample` in the event loop before each scrape, to set gauges."""
        self._samples.append(sample)

    def sample(self) -> None:
        """Set the gauges that are set at a scrape."""
        for sample in self._samples:
            sample()
