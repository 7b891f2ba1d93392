"""The metrics of one process: plain numbers, which prometheus_client renders for a scrape.

The library's own counters and histograms take locks, which an event loop does not need: counting a
duration takes 7 µs with them and 1 µs without (measured on a busy machine).
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from contracts import VERSION

BUCKETS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds in seconds: a query takes milliseconds, a command 30 seconds at most by default."""

LE = (*map(floatToGoString, BUCKETS_S), "+Inf")

OTHER = "(other)"
"""The value of a label for everything outside its closed set; no provider can have this name."""

MAX_SERIES = 10_000
"""The maximal number of label sets of one metric; a further one is counted under OTHER."""

Component = Literal["gateway", "worker"]
Sample = Callable[[], None]


class Number:
    """The value of a counter or a gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Add to the value."""
        self.value += amount

    def set(self, value: float) -> None:
        """Replace the value."""
        self.value = value


class Durations:
    """The value of a histogram: the number of durations in each bucket, and their sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(LE)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration in the first bucket whose bound it does not exceed."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


Value = TypeVar("Value", Number, Durations)


class Family(dict[tuple[str, ...], Value], Generic[Value]):
    """A metric by the values of its labels: `requests["k8s", "get_machines"].add()`.

    A new label set begins at 0. The key of a metric without labels is `()`.
    """

    def __init__(self, new: type[Value], labels: tuple[str, ...]) -> None:
        super().__init__()
        self._new: type[Value] = new
        self._labels = labels
        if not labels:
            self[()] = new()

    def __missing__(self, values: tuple[str, ...]) -> Value:
        if len(values) != len(self._labels):
            raise ValueError(f"expected values of the labels {self._labels}, got {values}")
        rest = (OTHER,) * len(values)
        if len(self) >= MAX_SERIES and values != rest:
            return self[rest]
        value = self[values] = self._new()
        return value


class Registry(Collector):
    """The metrics of one process. A test makes its own.

    Values that a process has anyway are read when it is scraped (`on_scrape`), so that they cost
    nothing per request.
    """

    def __init__(self, component: Component) -> None:
        self._samples: list[Sample] = []
        self._metrics: dict[str, Callable[[], Metric]] = {}
        self._standard = CollectorRegistry()
        ProcessCollector(registry=self._standard)
        GCCollector(registry=self._standard)
        build = self.gauge(
            "machinist_build_info",
            "The version of machinist and of Python; always 1.",
            *("component", "version", "python"),
        )
        build[component, VERSION, platform.python_version()].set(1)

    def counter(self, name: str, purpose: str, *labels: str) -> Family[Number]:
        """Register a counter; its name ends with `_total`."""
        family = Family(Number, labels)

        def samples() -> Metric:
            metric = CounterMetricFamily(name, purpose, labels=labels)
            for values, number in list(family.items()):
                metric.add_metric(values, number.value)
            return metric

        self._add(name, samples)
        return family

    def gauge(self, name: str, purpose: str, *labels: str) -> Family[Number]:
        """Register a gauge."""
        family = Family(Number, labels)

        def samples() -> Metric:
            metric = GaugeMetricFamily(name, purpose, labels=labels)
            for values, number in list(family.items()):
                metric.add_metric(values, number.value)
            return metric

        self._add(name, samples)
        return family

    def histogram(self, name: str, purpose: str, *labels: str) -> Family[Durations]:
        """Register a histogram of durations in seconds, with the bounds BUCKETS_S."""
        family = Family(Durations, labels)

        def samples() -> Metric:
            metric = HistogramMetricFamily(name, purpose, labels=labels)
            for values, durations in list(family.items()):
                counts = map(float, accumulate(durations.counts))
                metric.add_metric(values, list(zip(LE, counts, strict=True)), durations.seconds)
            return metric

        self._add(name, samples)
        return family

    def on_scrape(self, sample: Sample) -> None:
        """Call `sample` in the event loop before each scrape, to set gauges and counters."""
        self._samples.append(sample)

    def sample(self) -> None:
        """Set what is set at a scrape."""
        for sample in self._samples:
            sample()

    def collect(self) -> Iterable[Metric]:
        """Return all metrics for the library; may be called in another thread."""
        for samples in self._metrics.values():
            yield samples()
        yield from self._standard.collect()

    def _add(self, name: str, samples: Callable[[], Metric]) -> None:
        if name in self._metrics:
            raise ValueError(f"the metric {name} is registered already")
        self._metrics[name] = samples
