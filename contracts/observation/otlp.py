"""Spans recorded by OpenTelemetry's SDK and exported by OTLP over HTTP.

Imported only if a collector is configured: the packages belong to the extra `otel`. A span waits in
a bounded queue for the exporter's thread, so that a collector that is slow or down delays no
request; if the queue is full, the oldest spans are dropped and the log says so.
"""

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import Tracer as SdkTracer

from contracts import VERSION
from contracts.faults import Fault
from contracts.observation.spans import CURRENT, Attributes, Kind, Span, Value
from contracts.observation.trace_context import TraceContext
from contracts.printable import printable

FLUSH_S = 3.0
"""The time for the last spans when the process stops."""

REPEAT_S = 60.0
"""The interval between two log lines about a collector that takes no spans."""

TEXT_LIMIT = 256
"""The characters of an attribute: routing keys and user agents come from outside."""

KINDS = {
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}

EXPORTER_LOG = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
QUEUE_LOG = "opentelemetry.sdk._shared_internal"
HEADERS_LOG = "opentelemetry.util.re"
"""Logs the value of a header that it cannot read."""


class RecordedSpan(Span):
    """A span of the SDK; what is set after its end is ignored."""

    def __init__(self, span: SdkSpan) -> None:
        self.sdk = span
        self._token: Token[Span] | None = None
        self._has_failed = False

    @property
    def context(self) -> TraceContext:
        """The context of this span, also if the sampler left it out."""
        known = self.sdk.get_span_context()
        parent = f"00-{known.trace_id:032x}-{known.span_id:016x}-{known.trace_flags:02x}"
        return TraceContext(parent, known.trace_state.to_header())

    def rename(self, name: str) -> None:
        if self.sdk.is_recording():
            self.sdk.update_name(name)

    def set(self, name: str, value: Value) -> None:
        if value is not None and self.sdk.is_recording():
            self.sdk.set_attribute(name, _clean(value))

    def fail(self, code: str) -> None:
        self._has_failed = True
        if self.sdk.is_recording():
            self.sdk.set_attribute("error.type", code)
            self.sdk.set_status(Status(StatusCode.ERROR, code))

    def __enter__(self) -> Self:
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
        if error is not None and not self._has_failed:
            self.fail(_code(error))
        self.sdk.end()


class OtlpTracer:
    """Starts spans of the SDK."""

    def __init__(self, tracer: SdkTracer) -> None:
        self._tracer = tracer

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        parent: Span | TraceContext | None,
        started_at: float | None = None,
    ) -> RecordedSpan:
        """Start a span, now or at a time in seconds of the Unix epoch."""
        started = self._tracer.start_span(
            name,
            _context(parent),
            KINDS[kind],
            {key: _clean(value) for key, value in attributes.items() if value is not None},
            start_time=None if started_at is None else int(started_at * 1e9),
        )
        return RecordedSpan(started)

    def record(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        parent: TraceContext | None,
        times: tuple[float, float],
    ) -> RecordedSpan:
        """Return a span that has ended, with its start and end in seconds of the Unix epoch."""
        recorded = self.start(name, kind, attributes, parent, times[0])
        recorded.sdk.end(int(times[1] * 1e9))
        return recorded


@contextmanager
def exporter(service: str) -> Iterator[OtlpTracer]:
    """Open the exporter that the OTEL_* variables describe, and flush it at the end."""
    logging.getLogger(HEADERS_LOG).setLevel(logging.CRITICAL + 1)
    sending = OTLPSpanExporter()
    own = Resource(
        {
            "service.name": service,
            "service.version": VERSION,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )
    provider = TracerProvider(
        resource=Resource.create().merge(own).merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(sending))
    with _quiet():
        try:
            yield OtlpTracer(provider.get_tracer("machinist", VERSION))
        finally:
            # The SDK waits up to 30 s for its thread, and cannot be told otherwise.
            flushing = threading.Thread(target=provider.shutdown, daemon=True)
            flushing.start()
            flushing.join(FLUSH_S)
            if flushing.is_alive():
                sending.shutdown()  # type: ignore[no-untyped-call]  # untyped in the SDK


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the SDK log dropped spans, and at most one failure of the collector per REPEAT_S."""
    logger, failing = logging.getLogger("opentelemetry"), logging.getLogger(EXPORTER_LOG)
    level, seldom = logger.level, _Seldom()
    logger.setLevel(max(logger.getEffectiveLevel(), logging.ERROR))
    logging.getLogger(QUEUE_LOG).setLevel(max(logging.root.level, logging.WARNING))
    failing.addFilter(seldom)
    try:
        yield
    finally:
        failing.removeFilter(seldom)
        logger.setLevel(level)


class _Seldom(logging.Filter):
    """Passes one record per REPEAT_S."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + REPEAT_S
        return True


def _context(parent: Span | TraceContext | None) -> Context:
    if isinstance(parent, RecordedSpan):
        return set_span_in_context(parent.sdk, Context())
    if not isinstance(parent, TraceContext):
        return Context()
    known = SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
        trace_state=TraceState.from_header([parent.tracestate]) if parent.tracestate else None,
    )
    return set_span_in_context(NonRecordingSpan(known), Context())


def _clean(value: str | int) -> str | int:
    """Return a value that protobuf can encode: a lone surrogate would lose the whole batch."""
    return printable(value[:TEXT_LIMIT]) if isinstance(value, str) else value


def _code(error: BaseException) -> str:
    if isinstance(error, Fault):
        return str(error.code)
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__
