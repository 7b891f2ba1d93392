"""A stand-in for an OpenTelemetry collector: an OTLP receiver that keeps the spans."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from contracts.observation import traces
from tests.stack import eventually

KIND = OtlpSpan.SpanKind
ERROR = 2
"""OTLP's status code ERROR."""


class Span(Struct, frozen=True):
    """A received span; ids are hexadecimal digits, times are nanoseconds."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    started: int
    ended: int
    attributes: dict[str, Any]
    error: str | None


class Collector:
    """The spans of all processes that export to `url`, and the headers of their requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that exports here, without delay."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def trace(self, number: int, belongs: Callable[[Span], bool]) -> list[Span]:
        """Wait for this number of spans in the trace of a span, ordered by start."""

        def found() -> list[Span]:
            traces = {span.trace for span in list(self.spans) if belongs(span)}
            assert len(traces) <= 1, f"expected one trace, got {traces}"
            return [span for span in list(self.spans) if span.trace in traces]

        eventually(lambda: len(found()) >= number, what=f"{number} spans of a trace arrive")
        return sorted(found(), key=lambda span: span.started)

    def receive(self, headers: dict[str, str], body: bytes) -> None:
        """Keep the spans of a request."""
        self.headers.append(headers)
        self.bodies.append(body)
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            service = _values(group.resource.attributes)["service.name"]
            for scope in group.scope_spans:
                self.spans += [_span(service, each) for each in scope.spans]


def _span(service: str, span: OtlpSpan) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=KIND.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        state=span.trace_state,
        started=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=_values(span.attributes),
        error=span.status.message if span.status.code == ERROR else None,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def collecting(answer: int = 200) -> Iterator[Collector]:
    """Run a collector that answers with this status."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces" and answer == 200:
                collector.receive({name.lower(): text for name, text in self.headers.items()}, body)
            self.send_response(answer)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def exporting(variables: dict[str, str]) -> Iterator[None]:
    """Export from this process with these variables; the SDK reads `os.environ`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with traces.exporting("machinist-test", os.environ):
            yield


@contextmanager
def recorded(**variables: str) -> Iterator[Collector]:
    """Trace this process; the collector has every span after the context."""
    with collecting() as collector, exporting(collector.variables | variables):
        yield collector
