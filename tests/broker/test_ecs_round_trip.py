"""Requests and events for ECS through gateway, broker, worker and the AWS sandbox."""

import base64
import os
from collections.abc import Iterator

import pytest

from contracts.outcomes import Outcome, Result
from deploy.sandbox.aws.server import AwsSandbox
from tests import examples
from tests.auditor import Auditor
from tests.producer import publish, scale_event
from tests.stack import Gateway, Stack, eventually

CANARY = "canary-8d2c"


@pytest.fixture(scope="module")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> AwsSandbox:
    account.reset()
    return account


@pytest.fixture
def gateway(stack: Stack, aws: AwsSandbox) -> Gateway:
    """A gateway with an ECS worker on the sandbox; both have the seal key."""
    key = base64.b64encode(os.urandom(32)).decode()
    stack.ecs_worker(aws, PLT_SEAL_KEY=key)
    gateway = stack.gateway(PLT_PROVIDERS="k8s,ecs", PLT_SEAL_KEY=key)
    eventually(lambda: gateway.attended_by(1, "ecs"), what="the worker is attached")
    return gateway


def outcomes_of(auditor: Auditor, operation: str, count: int) -> list[Outcome]:
    """Wait for a number of final outcomes of an operation, and return them."""

    def finals() -> list[Outcome]:
        outcomes = [outcome for _, outcome in auditor.outcomes()]
        ended = [each for each in outcomes if each.result is not Result.STARTED]
        return [each for each in ended if each.operation == operation]

    eventually(lambda: len(finals()) >= count, what=f"{count} outcomes of {operation}")
    return finals()


def test_one_gateway_serves_both_platforms(stack: Stack, aws: AwsSandbox, gateway: Gateway) -> None:
    stack.worker()
    eventually(lambda: gateway.attended_by(1), what="the Kubernetes worker is attached")

    pods, tasks = (gateway.get(f"/{name}/machines/default") for name in ("k8s", "ecs"))

    assert (pods.status_code, tasks.status_code) == (200, 200)
    names = [sorted(each["controller"]["name"] for each in found.json()) for found in (pods, tasks)]
    assert names == [["hello", "hello", "store"]] * 2
    one = tasks.json()[0]
    assert gateway.get(f"/ecs/machines/default/{one['id']}").json() == one
    assert gateway.get("/ecs/machines/elsewhere").status_code == 404


def test_scaling_by_request_or_event_is_one_call_and_records_before_and_after(
    stack: Stack, aws: AwsSandbox, gateway: Gateway
) -> None:
    arn = aws.service("hello")["serviceArn"]
    aws.calls.clear()
    with Auditor(stack.amqp_url) as auditor:
        answer = gateway.scale("hello", 3, provider="ecs")
        assert (answer.status_code, answer.json()["replicas"]) == (200, 3)
        assert aws.service("hello")["desiredCount"] == 3
        event = scale_event(arn, 1, provider="ecs")
        assert publish(stack.amqp_url, [event]) == 0
        ended = outcomes_of(auditor, "update_controller_replicas", 2)

    assert [each.result for each in ended] == [Result.DONE] * 2
    assert {each.address for each in ended} == {"controllers.default.hello"}
    assert [(each.before, each.after) for each in ended] == [
        ({"running": 2}, {"replicas": 3, "running": 2}),
        ({"running": 3}, {"replicas": 1, "running": 3}),
    ]
    assert aws.service("hello")["desiredCount"] == 1
    assert aws.calls.actions() == ["ecs:UpdateService"] * 2


def test_a_workload_is_applied_and_deleted_with_json_responses(
    stack: Stack, aws: AwsSandbox, gateway: Gateway
) -> None:
    secret = {"registry": "registry.example", "username": "ci", "password": CANARY}
    applied = gateway.http.put(
        "/ecs/workloads/default", json=examples.workload(pullSecret=secret, minReplicas=2)
    )
    assert applied.status_code == 200, applied.text
    assert (applied.json()["name"], applied.json()["created"]) == ("hello-v2", True)
    assert len(aws.tasks(service="hello-v2")) == 2

    service = gateway.http.delete("/ecs/services/default/hello-v2")
    controller = gateway.http.delete("/ecs/controllers/default/hello-v2?kind=Deployment")
    again = gateway.http.delete("/ecs/controllers/default/hello-v2")

    assert (service.status_code, service.json()["name"]) == (200, "hello-v2")
    assert controller.json() == {"name": "hello-v2", "deleted": True}
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


def test_an_operation_that_ecs_lacks_is_answered_with_its_replacement(
    aws: AwsSandbox, gateway: Gateway
) -> None:
    aws.calls.clear()
    asked = {
        "/ecs/controllers/default": ("Deployment", "apply_workload, PUT /ecs/workloads/{scope}"),
        "/ecs/services/default": ("Service", "apply_workload, PUT /ecs/workloads/{scope}"),
        "/ecs/secrets/default": ("Secret", "apply_workload, PUT /ecs/workloads/{scope}"),
        "/ecs/gateway/httproutes/default": (
            "HTTPRoute",
            "apply_route_plan, PUT /ecs/gateway/routeplans/{scope}",
        ),
    }

    for path, (kind, instead) in asked.items():
        answer = gateway.http.put(path, json=examples.manifest(kind))

        assert (answer.status_code, answer.json()["code"]) == (501, "unsupported")
        assert f"use {instead}" in answer.json()["message"]
    assert len(aws.calls) == 0
