"""One trace from HTTP through the broker to the platform, as a collector receives it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from deploy.ports import Port
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.auditor import Auditor
from tests.conftest import new_vhost
from tests.observation.collector import Collector, Span, collecting
from tests.producer import publish, scale_event
from tests.stack import Stack, eventually, in_thread

PARENT = "00f067aa0ba902b7"
QUERY = "/k8s/machines/default"
ROUTE = "/{provider}/controllers/{scope}/{name}"
SCALING = "update_controller_replicas"


class Parent:
    """The trace context of a client, which is the parent of one request."""

    def __init__(self) -> None:
        self.trace = uuid4().hex
        self.traceparent = f"00-{self.trace}-{PARENT}-01"

    def owns(self, span: Span) -> bool:
        """Tell whether a span belongs to this trace."""
        return span.trace == self.trace


class Traced:
    """A gateway and a worker that export to a collector."""

    def __init__(self, stack: Stack, collector: Collector) -> None:
        self.stack = stack
        self.collector = collector
        # Without informers each operation makes the same requests, whatever was asked before.
        self.worker = stack.worker(**collector.variables, PLT_K8S_INFORMERS="false")
        more = {"PLT_PROVIDERS": "k8s,absent", "PLT_ACCESS_LOG": "true"}
        self.gateway = stack.gateway(**collector.variables, **more)
        eventually(lambda: self.gateway.attended_by(1), what="the worker is attached")

    def scale(self, name: str, replicas: int, **headers: str) -> httpx.Response:
        return self.gateway.http.post(
            f"/k8s/controllers/default/{name}?kind=Deployment&apiVersion=apps/v1",
            json={"replicas": replicas},
            headers=headers,
        )

    def shape(self, number: int, parent: Parent) -> dict[str, list[Span]]:
        """Wait for this number of spans of a trace; return the children of each by its name.

        The name of the client's span is empty.
        """
        spans = self.collector.trace(number, parent.owns)
        names = {span.id: span.name for span in spans} | {PARENT: ""}
        shape: dict[str, list[Span]] = {}
        for span in spans:
            shape.setdefault(names[span.parent], []).append(span)
        return shape


@pytest.fixture(scope="module")
def traced(
    rabbit: RabbitNode,
    management: httpx.Client,
    session_sandbox: KubernetesSandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Traced]:
    """Processes for all tests of this module, on a virtual host of their own."""
    session_sandbox.reset()
    folder = tmp_path_factory.mktemp("traces")
    with (
        collecting() as collector,
        Stack(new_vhost(rabbit, management), session_sandbox, rabbit, folder) as stack,
    ):
        yield Traced(stack, collector)


def test_a_scaling_is_one_trace_from_the_request_to_the_platform_calls(traced: Traced) -> None:
    parent, state = Parent(), "vendor=1,other@x=y"
    answer = traced.scale("hello", 4, traceparent=parent.traceparent, tracestate=state)

    shape = traced.shape(6, parent)
    [server], [send] = shape[""], shape[f"POST {ROUTE}"]
    [wait], [process] = shape[f"send {SCALING}"], shape[f"wait {SCALING}"]
    calls = {call.name: call for call in shape[f"process {SCALING}"]}
    assert answer.status_code == 200
    assert set(calls) == {"PATCH deployments", "GET horizontalpodautoscalers"}
    ours = [server, send, wait, process, *calls.values()]
    kinds = ["SERVER", "PRODUCER", "CONSUMER", "CONSUMER", "CLIENT", "CLIENT"]
    assert [span.kind for span in ours] == kinds
    assert [span.service for span in ours] == ["machinist-gateway"] * 2 + ["machinist-worker"] * 4
    assert {span.error for span in ours} == {None}
    assert {span.state for span in ours} == {state}
    patch = calls["PATCH deployments"]
    assert server.started <= send.started <= wait.ended <= process.started <= patch.started
    assert patch.ended <= process.ended


def test_the_spans_of_a_scaling_name_its_command_its_address_and_its_result(
    traced: Traced,
) -> None:
    parent = Parent()
    answer = traced.scale("hello", 5, traceparent=parent.traceparent)

    spans = {span.name: span.attributes for span in traced.collector.trace(6, parent.owns)}
    server, process = spans[f"POST {ROUTE}"], spans[f"process {SCALING}"]
    assert server["http.route"] == ROUTE
    assert server["http.response.status_code"] == 200
    assert server["machinist.command_id"] == answer.headers["command-id"]
    for name in ("send", "wait", "process"):
        attributes = spans[f"{name} {SCALING}"]
        assert attributes["messaging.system"] == "rabbitmq"
        assert attributes["messaging.destination.name"] == "machinist.commands"
        assert attributes["messaging.message.id"] == answer.headers["command-id"]
        assert attributes["machinist.address"] == "controllers.default.hello"
    assert process["machinist.result"] == "done"
    call = spans["PATCH deployments"]
    assert call["http.response.status_code"] == 200
    assert call["url.full"].endswith("/apis/apps/v1/namespaces/default/deployments/hello")


def test_the_outcomes_of_a_command_are_in_its_trace(traced: Traced) -> None:
    parent = Parent()
    with Auditor(traced.stack.amqp_url) as audit:
        answer = traced.scale("hello", 3, traceparent=parent.traceparent)
        audit.final(answer.headers["command-id"])

        contexts = [message.headers["traceparent"] for message, _ in audit.outcomes()]
    [send] = [s for s in traced.collector.trace(6, parent.owns) if s.kind == "PRODUCER"]
    assert set(contexts) == {f"00-{parent.trace}-{send.id}-01"}


def test_the_log_lines_of_a_command_in_gateway_and_worker_name_its_trace(traced: Traced) -> None:
    parent = Parent()
    answer = traced.scale("hello", 6, traceparent=parent.traceparent)
    command_id = answer.headers["command-id"]

    def logged() -> list[dict[str, Any]]:
        logs = (process.log.read_text() for process in (traced.gateway, traced.worker))
        lines = (json.loads(line) for log in logs for line in log.splitlines(keepends=True)
                 if line.endswith("\n"))  # fmt: skip
        return [line for line in lines if line.get("commandId") == command_id]

    eventually(lambda: len(logged()) == 2, what="both lines are logged")
    access, command = logged()
    assert (access["logger"], access["status"]) == ("machinist.access", 200)
    assert (command["logger"], command["result"]) == ("machinist.commands", "done")
    assert access["traceId"] == command["traceId"] == parent.trace
    assert access["subject"] == command["requestedBy"] == "127.0.0.1"
    assert min(command["queuedMs"], command["runMs"], access["ms"]) >= 0


def test_a_query_without_a_valid_traceparent_begins_a_trace(traced: Traced) -> None:
    agent = uuid4().hex
    headers = {"user-agent": agent, "traceparent": f"00-{'0' * 32}-{PARENT}-01"}
    answer = traced.gateway.http.get(QUERY, headers=headers)

    spans = traced.collector.trace(
        5, lambda span: span.attributes.get("user_agent.original") == agent
    )
    assert answer.status_code == 200
    [root] = [span.name for span in spans if not span.parent]
    assert root == "GET /{provider}/machines/{scope}"
    names = {span.name for span in spans}
    assert names >= {"send get_machines", "wait get_machines", "process get_machines", "GET pods"}


def test_an_event_continues_the_trace_of_its_producer(traced: Traced) -> None:
    parent = Parent()
    event = scale_event("hello", 6)
    headers = {**event.headers, "traceparent": parent.traceparent, "tracestate": "mine=1"}
    publish(traced.stack.amqp_url, [msgspec.structs.replace(event, headers=headers)])

    shape = traced.shape(4, parent)
    [wait], [process] = shape[""], shape[f"wait {SCALING}"]
    assert wait.attributes["messaging.destination.name"] == "machinist.events"
    assert wait.started <= wait.ended <= process.started
    assert {call.kind for call in shape[f"process {SCALING}"]} == {"CLIENT"}
    assert process.state == "mine=1"


def test_an_event_without_a_context_begins_a_trace(traced: Traced) -> None:
    event = scale_event("hello", 7)
    publish(traced.stack.amqp_url, [event])

    spans = traced.collector.trace(
        4, lambda span: span.attributes.get("messaging.message.id") == event.message_id
    )
    assert (spans[0].name, spans[0].parent) == (f"wait {SCALING}", "")


def test_a_refusal_of_the_platform_is_an_error_of_the_worker_and_not_of_the_gateway(
    traced: Traced,
) -> None:
    parent = Parent()
    answer = traced.scale("absent", 1, traceparent=parent.traceparent)

    spans = {span.name: span for span in traced.collector.trace(5, parent.owns)}
    assert answer.status_code == 404
    assert spans[f"POST {ROUTE}"].error is None
    assert spans[f"POST {ROUTE}"].attributes["machinist.code"] == "not_found"
    process = spans[f"process {SCALING}"]
    assert (process.error, process.attributes["machinist.result"]) == ("not_found", "failed")
    [call] = [span for span in spans.values() if span.kind == "CLIENT"]
    assert (call.error, call.attributes["http.response.status_code"]) == ("not_found", 404)


def test_a_request_that_no_worker_takes_is_an_error_of_the_gateway(traced: Traced) -> None:
    parent = Parent()
    answer = traced.gateway.http.get(
        "/absent/machines/default", headers={"traceparent": parent.traceparent}
    )

    [span] = traced.collector.trace(1, parent.owns)
    assert answer.status_code == 503
    assert (span.name, span.error) == ("GET /{provider}/machines/{scope}", "provider_unattended")


def test_a_gateway_whose_collector_cannot_be_reached_answers_and_ends(traced: Traced) -> None:
    port = Port.any_free()
    variables = traced.collector.variables | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port.number}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5",
    }
    gateway = traced.stack.gateway(**variables)
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")

    for _ in range(3):
        assert gateway.get(QUERY).status_code == 200
        eventually(lambda: "Failed to export" in gateway.log.read_text(), what="it is logged")
    gateway.terminate()

    assert gateway.ended() == 0
    assert gateway.log.read_text().count("Failed to export") == 1
    port.release()


def test_a_redelivered_command_stays_in_its_trace(traced: Traced) -> None:
    """Runs last: it replaces the worker."""
    parent, stack = Parent(), traced.stack
    stack.sandbox.faults.add(method="PATCH", path="/deployments/hello", delay=60, times=1)
    stack.sandbox.calls.clear()
    asking = in_thread(lambda: traced.scale("hello", 2, traceparent=parent.traceparent))
    eventually(
        lambda: stack.sandbox.calls.count("PATCH", "/deployments/hello"), what="the command runs"
    )

    traced.worker.kill()
    stack.worker(**traced.collector.variables)

    def again(span: Span) -> bool:
        return parent.owns(span) and "machinist.redelivered" in span.attributes

    eventually(lambda: any(s.name == f"process {SCALING}" and again(s)
                           for s in list(traced.collector.spans)),
               what="the second run is exported")  # fmt: skip
    spans = traced.collector.trace(1, parent.owns)
    [send] = [span for span in spans if span.kind == "PRODUCER"]
    [second] = [span for span in spans if span.name == f"wait {SCALING}" and again(span)]
    assert asking.result().status_code == 200
    assert second.parent == send.id
    assert second.attributes["machinist.redelivered"] is True
