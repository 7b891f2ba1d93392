"""The exporter: it delays no request, ends with the process, and keeps to the OTEL_* variables."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable

import pytest

from contracts.faults import Code, Fault
from contracts.observation import traces
from contracts.observation.spans import Kind
from contracts.observation.trace_context import TraceContext
from deploy.ports import Port
from tests.observation.collector import Collector, Span, collecting, exporting, recorded
from tests.stack import eventually

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


def exported(record: Callable[[], object], **variables: str) -> tuple[Collector, list[Span]]:
    """Return the spans of a function as the collector has them when the exporter has ended."""
    with recorded(**variables) as collector:
        record()
    return collector, collector.spans


def one_span() -> None:
    with traces.span("GET pods", Kind.CLIENT, {"server.port": 443}):
        pass


def test_the_last_spans_are_exported_when_the_process_ends():
    _, [span] = exported(one_span, OTEL_BSP_SCHEDULE_DELAY="600000")

    assert (span.service, span.name, span.attributes) == (
        "machinist-test",
        "GET pods",
        {"server.port": 443},
    )


def test_the_standard_variables_name_the_service_and_the_headers():
    collector, [span] = exported(
        one_span, OTEL_SERVICE_NAME="mine", OTEL_EXPORTER_OTLP_HEADERS="api-key=hunter2"
    )

    assert span.service == "mine"
    assert collector.headers[0]["api-key"] == "hunter2"


@pytest.mark.parametrize(
    ("parent", "variables"),
    [
        (TraceContext(f"{PARENT}-00", "a=1"), {}),
        (TraceContext(f"{PARENT}-01", "a=1"), {"OTEL_TRACES_SAMPLER": "always_off"}),
    ],
    ids=["by the caller", "by the sampler"],
)
def test_a_trace_that_is_not_sampled_is_passed_on_and_not_exported(parent, variables):
    seen = {}

    def record() -> None:
        with traces.span("GET", Kind.SERVER, {}, parent=parent):
            seen.update(traces.headers())

    _, spans = exported(record, **variables)

    assert spans == []
    assert seen["traceparent"].startswith(f"00-{parent.trace_id}-")
    assert seen["traceparent"].endswith("-00")
    assert seen["tracestate"] == "a=1"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Fault(Code.CONFLICT, "hunter2"), "conflict"),
        (asyncio.CancelledError("hunter2"), "cancelled"),
        (ValueError("hunter2"), "ValueError"),
    ],
)
def test_an_exception_is_an_error_without_its_message(error, code):
    def record() -> None:
        with pytest.raises(type(error)), traces.span("GET", Kind.CLIENT, {}):
            raise error

    collector, [span] = exported(record)

    assert (span.error, span.attributes) == (code, {"error.type": code})
    assert b"hunter2" not in b"".join(collector.bodies)


def test_the_attributes_of_peers_are_bounded_and_printable():
    def record() -> None:
        attributes = {"user_agent.original": "\x1b[31m\ud800" + "x" * 1000, "absent": None}
        with traces.span("GET", Kind.SERVER, attributes) as span:
            span.set("route", "\u202e")
        span.set("late", "ignored")

    _, [span] = exported(record)

    assert span.attributes == {
        "user_agent.original": "\\x1b[31m\\ud800" + "x" * 250,
        "route": "\\u202e",
    }


def test_a_span_is_the_parent_of_the_tasks_that_begin_in_it():
    async def child() -> None:
        with traces.span("child", Kind.CLIENT, {}):
            await asyncio.sleep(0)

    async def parent() -> None:
        with traces.span("parent", Kind.SERVER, {}):
            await asyncio.gather(child(), child())
        with traces.span("other", Kind.SERVER, {}):
            pass

    _, spans = exported(lambda: asyncio.run(parent()))

    ids = {span.name: span.id for span in spans}
    assert [span.parent for span in spans if span.name == "child"] == [ids["parent"]] * 2
    assert [span.parent for span in spans if span.name != "child"] == ["", ""]


def exporting_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "Otel" in each.name]


@pytest.mark.parametrize("kind", ["closed port", "401"])
def test_a_collector_that_takes_no_spans_is_logged_once_and_stops_nothing(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = Port.any_free()
    with collecting(401) as collector:
        url = collector.url if kind == "401" else f"http://127.0.0.1:{port.number}"
        variables = {
            **collector.variables,
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2",
        }
        with exporting(variables):
            one_span()
            eventually(lambda: "Failed to export" in caplog.text, what="the failure is logged")
            one_span()
    port.release()

    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]
    assert "hunter2" not in caplog.text
    assert exporting_threads() == []


def test_a_collector_that_never_answers_does_not_hold_the_process():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": url}):
            one_span()
        client, _ = listening.accept()
        waiting = exporting_threads()
        with client:
            assert b"POST /v1/traces" in client.recv(4096)
        assert [thread.daemon for thread in waiting] == [True]
    eventually(lambda: not exporting_threads(), what="the exporter's thread ends")
