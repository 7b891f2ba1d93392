"""Metrics of the audit: published outcomes, the age of waiting ones, dead letters."""

from collections.abc import Callable

from contracts.observation.registry import Registry
from contracts.records.results import Result


class AuditMetrics:
    """Counts what a process writes to the audit."""

    def __init__(self, registry: Registry, provider: Callable[[str], str] = str) -> None:
        """`provider` returns the value of the label for the name of a provider."""
        self._provider = provider
        self._outcomes = registry.counter(
            "machinist_audit_outcomes_total",
            "Outcomes of commands that the audit has confirmed, by result.",
            *("provider", "result"),
        )
        self._dropped = registry.counter(
            "machinist_audit_outcomes_dropped_total",
            "Outcomes of refused commands that were dropped, because too many waited.",
        )
        self._letters = registry.counter(
            "machinist_dead_letters_total",
            "Commands that were moved to machinist.dead.",
            "provider",
        )
        self._lag = registry.gauge(
            "machinist_audit_lag_seconds",
            "The age of the oldest outcome that waits for its publisher confirm; 0 without one.",
        )
        self._registry = registry

    def watch(self, lag: Callable[[], float]) -> None:
        """Read the age of the oldest waiting outcome, in seconds, at each scrape."""
        self._registry.on_scrape(lambda: self._lag[()].set(lag()))

    def expect(self, provider: str) -> None:
        """Begin at 0: Prometheus does not see the increase of a counter that appears with 1."""
        self._letters[provider,].add(0)
        for result in Result:
            self._outcomes[provider, result].add(0)

    def published(self, provider: str, result: str) -> None:
        """Count an outcome that a queue has."""
        self._outcomes[self._provider(provider), result].add()

    def dropped(self) -> None:
        """Count an outcome that is never published."""
        self._dropped[()].add()

    def dead_letter(self, provider: str) -> None:
        """Count a command in `machinist.dead`."""
        self._letters[self._provider(provider),].add()
