"""The spans of platform calls: one for each attempt, with its verb and status."""

from pathlib import Path

import httpx
import pytest

from contracts.faults import Fault
from contracts.observation import traces
from contracts.observation.spans import Kind
from tests.ecs.aws import scripted as aws
from tests.kubernetes.objects import pod
from tests.kubernetes.scripted import Scripted, answer, failure, page
from tests.observation.collector import recorded
from worker.provider import Call
from worker.providers.ecs.aws.answers import TaskArns
from worker.providers.k8s.api.spans import resource
from worker.providers.k8s.objects import ListOf, Pod

PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/api/v1/namespaces/default/pods", "pods"),
        ("/api/v1/namespaces/default/pods/web-1", "pods"),
        ("/apis/apps/v1/namespaces/default/deployments/web/scale", "deployments/scale"),
        ("/apis/apps/v1/deployments", "deployments"),
        ("/api/v1/namespaces/default", "namespaces"),
        ("/apis/gateway.networking.k8s.io/v1", "apis"),
        ("/version", "version"),
        ("/", ""),
    ],
)
def test_the_resource_type_names_the_span_and_no_object_does(path, type_):
    assert resource(path) == type_


async def test_each_attempt_at_kubernetes_is_a_span_and_sends_its_context(tmp_path: Path) -> None:
    server = Scripted(httpx.RemoteProtocolError("disconnected"), page(pod("web-1")))
    with recorded() as collector:
        async with server.client(tmp_path) as client:
            with traces.span("process", Kind.CONSUMER, {}):
                bound = client.for_call(Call.within(10))
                await bound.list(PODS, ListOf[Pod], selector="app=hunter2")

    process, first, second = sorted(collector.spans, key=lambda span: span.started)
    assert [first.name, second.name] == ["GET pods"] * 2
    assert {first.parent, second.parent} == {process.id}
    assert (first.error, second.error) == ("platform_failed", None)
    assert "http.response.status_code" not in first.attributes
    assert second.attributes["http.response.status_code"] == 200
    assert second.attributes["url.full"] == f"http://api.test{PODS}"
    assert [request.headers["traceparent"][:-2] for request in server.requests] == [
        f"00-{span.trace}-{span.id}-" for span in (first, second)
    ]
    sent = b"".join(collector.bodies)
    assert b"hunter2" not in sent
    assert b"first-token" not in sent


async def test_a_refusal_of_kubernetes_is_an_error_without_its_words(tmp_path: Path) -> None:
    server = Scripted(failure(403, "Forbidden", "hunter2"))
    with recorded() as collector:
        async with server.client(tmp_path) as client:
            with pytest.raises(Fault):
                await client.for_call(Call.within(10)).get(f"{PODS}/web-1", Pod)

    [span] = collector.spans
    assert (span.error, span.attributes["http.response.status_code"]) == ("platform_forbidden", 403)
    assert b"hunter2" not in b"".join(collector.bodies)


async def test_without_traces_kubernetes_gets_no_context(tmp_path: Path) -> None:
    server = Scripted(answer(pod("web-1")))
    async with server.client(tmp_path) as client:
        await client.for_call(Call.within(10)).get(f"{PODS}/web-1", Pod)

    assert "traceparent" not in server.requests[0].headers


async def test_each_attempt_at_aws_is_a_span_and_sends_no_context() -> None:
    server = aws.Scripted(
        aws.failure("ThrottlingException", "hunter2"), aws.answer({"taskArns": []})
    )
    with recorded() as collector:
        async with server.client() as client:
            bound = client.for_call(Call.within(30))
            await bound.ask("ecs:ListTasks", TaskArns, cluster="hunter2")

    first, second = sorted(collector.spans, key=lambda span: span.started)
    assert (first.name, first.error, first.attributes["http.response.status_code"]) == (
        "ecs:ListTasks",
        "platform_limiting",
        400,
    )
    assert second.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "ecs",
        "rpc.method": "ListTasks",
        "cloud.region": "eu-central-1",
        "http.response.status_code": 200,
    }
    assert "traceparent" not in {name.lower() for name in server.requests[0].headers}
    assert b"hunter2" not in b"".join(collector.bodies)
