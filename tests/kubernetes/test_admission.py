"""Refusals by admission are reported at once with their message, and not mistaken for others."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.core import SERVICES
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.sandbox.kubernetes.statuses import not_found
from tests.kubernetes import manifests
from worker.provider import Call
from worker.providers.k8s.api import errors
from worker.providers.k8s.api.errors import Again, Denied, MissingRight, NoSuchApi
from worker.providers.k8s.provider import KubernetesProvider

STATUSES = [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504, 418, 599]
MESSAGE = "the name is taken in a namespace below"
RETRYABLE = {"metadata": {"continue": "t"}, "details": {"retryAfterSeconds": 1}}

Run = Callable[[KubernetesProvider, Call], Awaitable[Any]]


def code_for(status: int) -> Code:
    return Code.PLATFORM_INVALID if status == 422 else Code.PLATFORM_FORBIDDEN


def denied(status: int, message: str, method: str = "PATCH", **more: Any) -> errors.Failure:
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status} | more
    return errors.of_answer(method, status, {"retry-after": "1"}, json.dumps(body).encode())


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("message", "by"),
    [
        (f'admission webhook "a.example.com" denied the request: {MESSAGE}', "webhook"),
        ('admission webhook "a.example.com" denied the request without explanation', "webhook"),
        (
            "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'max' with binding "
            f"'max-in-shop' denied request: {MESSAGE}",
            "ValidatingAdmissionPolicy 'max'",
        ),
        (f"pods is forbidden: ValidatingAdmissionPolicy 'max' denied request: {MESSAGE}", "Policy"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_refusal_by_admission_is_forbidden_or_invalid_with_any_status(
    method, status, message, by
):
    fault = denied(status, message, method, **RETRYABLE)

    assert isinstance(fault, Denied)
    assert fault.code is code_for(status)
    assert message in fault.message
    assert by in fault.by
    assert (fault.again, fault.arrived, fault.retry_after) == (Again.NEVER, False, None)


@pytest.mark.parametrize(
    "quoted",
    [
        'User "x" cannot patch resource "deployments" in API group "apps" in the namespace "n"',
        "the server could not find the requested resource",
    ],
)
def test_an_api_server_message_quoted_by_a_webhook_is_ignored(quoted):
    for status in (403, 404):
        fault = denied(status, f'admission webhook "a.example.com" denied the request: {quoted}')
        assert not isinstance(fault, MissingRight | NoSuchApi)


@pytest.mark.parametrize(
    "message",
    [
        'deployments.apps "web" not found',
        'deployments.apps "web" is forbidden: admission webhook "a" denied the request: no',
        'see: admission webhook "a.example.com" denied the request',
    ],
)
def test_only_the_prefix_of_a_message_identifies_admission(message):
    assert not isinstance(denied(409, message), Denied)


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_json_that_is_not_a_status_does_not_come_from_the_api_server(status):
    body = b'{"type":"error","status":404,"code":"NotFound","message":"no such cluster"}'

    fault = errors.of_answer("GET", status, {"content-type": "application/json"}, body)

    assert fault.code is Code.PLATFORM_FAILED


def scale(name: str, kind: str | None = None) -> Run:
    command = api.UpdateControllerReplicas("default", name, 4, kind)
    return lambda provider, call: provider.update_controller_replicas(command, call)


def put_controller(name: str) -> Run:
    command = api.ApplyController("default", manifests.deployment(name, 4))
    return lambda provider, call: provider.apply_controller(command, call)


def put_service(name: str) -> Run:
    command = api.ApplyService("default", manifests.service(name))
    return lambda provider, call: provider.apply_service(command, call)


def delete_controller(name: str, kind: str | None = None) -> Run:
    command = api.DeleteController("default", name, kind)
    return lambda provider, call: provider.delete_controller(command, call)


def put_secret(provider: KubernetesProvider, call: Call) -> Awaitable[Any]:
    return provider.apply_secret(api.ApplySecret("default", manifests.secret("one")), call)


def put_route(provider: KubernetesProvider, call: Call) -> Awaitable[Any]:
    return provider.apply_http_route(api.ApplyHttpRoute("default", manifests.route("web")), call)


def put_plan(provider: KubernetesProvider, call: Call) -> Awaitable[Any]:
    rule = {"match": {"kind": "default"}, "backend": {"serviceName": "web"}, "versionId": "v1"}
    plan = {"appName": "planned", "hostname": "a.example.com", "rules": [rule]}
    return provider.apply_route_plan(api.ApplyRoutePlan("default", plan), call)


def put_workload(provider: KubernetesProvider, call: Call) -> Awaitable[Any]:
    workload = {"name": "new", "image": "r.example/web:1"}
    return provider.apply_workload(api.ApplyWorkload("default", workload), call)


def label(provider: KubernetesProvider, call: Call) -> Awaitable[Any]:
    return provider.set_machine_labels(api.SetMachineLabels("default", "same-0", {"a": "b"}), call)


COMMANDS: dict[str, tuple[Run, int]] = {
    "scale": (scale("same"), 0),
    "scale a hinted kind": (scale("same", "Deployment"), 0),
    "update a controller": (put_controller("same"), 1),
    "create a controller": (put_controller("new"), 1),
    "update a service": (put_service("web"), 1),
    "create a service": (put_service("new"), 1),
    "delete": (delete_controller("same"), 1),
    "delete a hinted kind": (delete_controller("same", "Deployment"), 0),
    "secret": (put_secret, 0),
    "route": (put_route, 1),
    "plan": (put_plan, 3),
    "workload": (put_workload, 1),
    "labels": (label, 0),
}
"""Each command, and the number of reads before its only write."""


@pytest.fixture
def furnished(cluster: KubernetesSandbox) -> KubernetesSandbox:
    cluster.add_deployment("same", replicas=1)
    cluster.add_stateful_set("same", replicas=1)
    cluster.add_service("web")
    cluster.add_gateway("main")
    return cluster


@pytest.mark.parametrize("status", [401, 404, 409, 429, 503, 422])
@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_that_admission_refuses_ends_with_its_first_write(
    provider, furnished, call, name, status
):
    run, reads = COMMANDS[name]
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        furnished.faults.deny(status, MESSAGE, method=method)

    with pytest.raises(Fault) as raised:
        await run(provider, call())

    assert raised.value.code is code_for(status)
    assert (MESSAGE in raised.value.message) == (name != "secret")
    assert 'admission webhook "objects.example.com"' in raised.value.message
    assert [each.method == "GET" for each in furnished.calls] == [True] * reads + [False]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422])
async def test_a_scaling_or_deletion_refused_by_admission_changes_no_other_object(
    provider, furnished, call, status
):
    for method in ("PATCH", "DELETE"):
        furnished.faults.deny(status, MESSAGE, method=method, path="/deployments/")

    for run in (scale("same"), delete_controller("same")):
        with pytest.raises(Fault, match=MESSAGE):
            await run(provider, call())

    assert furnished.read("statefulsets.apps", "same")["spec"]["replicas"] == 1
    assert furnished.read("deployments.apps", "same")["spec"]["replicas"] == 1


async def test_a_refused_scaling_at_a_known_version_is_not_read_again(provider, furnished, call):
    await provider.get_controller(api.GetController("default", "same", "Deployment"), call())
    furnished.calls.clear()
    furnished.faults.deny(422, MESSAGE, method="PATCH")

    with pytest.raises(Fault, match=MESSAGE):
        await scale("same", "Deployment")(provider, call())

    assert [each.method for each in furnished.calls] == ["PATCH"]


async def test_a_refused_plan_over_an_older_one_is_not_read_again(provider, furnished, call):
    await put_plan(provider, call())
    furnished.calls.clear()
    furnished.faults.deny(422, MESSAGE, method="PATCH")

    with pytest.raises(Fault, match=MESSAGE):
        await put_plan(provider, call())

    assert furnished.calls.count("PATCH") == 1


async def test_an_object_that_appears_and_disappears_is_retried_and_ends_as_platform_failed(
    provider, furnished
):
    absent = not_found(SERVICES, "web").status
    furnished.faults.add(method="PATCH", status=404, body=absent, times=None)

    with pytest.raises(Fault, match="other clients kept changing the object") as raised:
        await put_service("web")(provider, Call.within(1))

    assert raised.value.code is Code.PLATFORM_FAILED
    assert furnished.calls.count("PATCH") < 20
