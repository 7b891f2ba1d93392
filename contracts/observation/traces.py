"""Traces: spans of requests, messages and platform calls, exported if a collector is configured.

A span is the parent of the spans that begin inside its `with` block, and in the tasks that are
created there. The tracer is one per process, like the configuration of `logging`. Without a tracer
a span records nothing, and no package of OpenTelemetry is imported.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from contracts.observation.spans import CURRENT, NO_SPAN, Attributes, Kind, Span
from contracts.observation.trace_context import TraceContext
from contracts.observation.trace_settings import endpoint
from contracts.process.environment import ConfigurationError, shown

log = logging.getLogger(__name__)

INSTALL = (
    "{} is set, and the packages that export traces are not installed: install machinist with its "
    "extra otel (pip install 'machinist[otel]'), or unset the variable"
)


class Tracer(Protocol):
    """Starts spans."""

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        parent: Span | TraceContext | None,
    ) -> Span:
        """Start a span."""

    def record(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        parent: TraceContext | None,
        times: tuple[float, float],
    ) -> Span:
        """Return a span that has ended, with its start and end in seconds of the Unix epoch."""


_tracer: Tracer | None = None


def tracer() -> Tracer | None:
    """Return the tracer of this process, None if traces are off."""
    return _tracer


def current() -> Span:
    """Return the innermost span of this task."""
    return CURRENT.get()


def span(
    name: str, kind: Kind, attributes: Attributes, *, parent: Span | TraceContext | None = None
) -> Span:
    """Return a span for a `with` block, a child of `parent` or else of the current span."""
    if _tracer is None:
        return NO_SPAN
    return _tracer.start(name, kind, attributes, parent or CURRENT.get())


def headers() -> dict[str, str]:
    """Return the context of the current span as headers, none if nothing is recorded."""
    context = CURRENT.get().context
    return {} if context is None else context.headers()


@contextmanager
def exporting(service: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Export the spans of this process, if the environment names a collector.

    `service` is the default of OTEL_SERVICE_NAME. Raises ConfigurationError.
    """
    global _tracer
    named = endpoint(environment)
    if named is None:
        yield
        return
    try:
        from contracts.observation import otlp
    except ModuleNotFoundError as error:
        raise ConfigurationError(INSTALL.format(named)) from error
    with otlp.exporter(service) as _tracer:
        log.info("traces are exported to %s", shown(environment[named]))
        try:
            yield
        finally:
            _tracer = None
