"""Reads the metrics of processes as Prometheus does."""

from collections.abc import Iterable
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from contracts.observation.registry import Registry

Sample = tuple[str, dict[str, str], float]


class Scrape:
    """The samples of one scrape of a process, or of several processes together."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)

    @classmethod
    def of(cls, *urls: str) -> "Scrape":
        """Scrape metrics ports."""
        return cls(sample for url in urls for sample in parsed(httpx_get(f"{url}/metrics").text))

    @classmethod
    def of_registry(cls, registry: Registry) -> "Scrape":
        """Collect a registry of this process."""
        registry.sample()
        return cls(
            (each.name, each.labels, each.value)
            for family in registry.collect()
            for each in family.samples
        )

    @property
    def series(self) -> int:
        """The number of time series."""
        return len(self.samples)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels; 0 without one."""
        return sum(
            value
            for each, found, value in self.samples
            if each == name and labels.items() <= found.items()
        )

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the label sets of a metric."""
        return [labels for each, labels, _ in self.samples if each == name]


def httpx_get(url: str, **more: Any) -> httpx.Response:
    """Send a GET over a connection of its own."""
    return httpx.get(url, timeout=60, trust_env=False, verify=False, **more)


def parsed(text: str) -> Iterable[Sample]:
    """Return the samples in the text format."""
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            yield each.name, each.labels, each.value
