"""A 404 means that an object is absent only if the response names that object."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.operation import Operation
from deploy.sandbox.kubernetes import apps, core
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.sandbox.kubernetes.statuses import failure, not_found
from tests.kubernetes import manifests
from worker.provider import Call
from worker.providers.k8s.api.errors import Absent, Denied, of_answer
from worker.providers.k8s.provider import KubernetesProvider

MESSAGE = "frozen until Monday"
ONE = {"name": "same", "group": "apps", "kind": "deployments"}
PATH = "/apis/apps/v1/namespaces/default/deployments/same"


def status_of(details: dict[str, Any] | None, reason: str = "NotFound") -> dict[str, Any]:
    return failure(404, reason, MESSAGE, details).status or {}


OTHERS = [
    status_of(None),
    status_of({}),
    status_of({"name": "same"}),
    status_of(ONE | {"name": "other"}),
    status_of(ONE | {"kind": "priorityclasses"}),
    status_of({"name": "elsewhere", "kind": "namespaces"}),
    status_of(ONE, reason="Frozen"),
    status_of(ONE, reason=""),
]
"""404s that do not mean that the Deployment `same` is absent."""

COMMANDS = [
    api.UpdateControllerReplicas("default", "same", 4),
    api.UpdateControllerReplicas("default", "same", 4, "Deployment"),
    api.DeleteController("default", "same"),
    api.DeleteController("default", "same", "Deployment"),
    api.ApplyController("default", manifests.deployment("same", 4)),
]


@pytest.fixture
def furnished(cluster: KubernetesSandbox) -> KubernetesSandbox:
    cluster.add_deployment("same", replicas=1)
    cluster.add_stateful_set("same", replicas=1)
    return cluster


async def refused(provider: KubernetesProvider, command: Operation[Any], call: Call) -> Fault:
    with pytest.raises(Fault, match=MESSAGE) as raised:
        await getattr(provider, command.row.name)(command, call)
    return raised.value


@pytest.mark.parametrize("status", OTHERS, ids=range(len(OTHERS)))
@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
async def test_a_404_that_does_not_name_the_object_ends_a_command_with_its_message(
    provider, furnished, call, command, status
):
    for method in ("PATCH", "DELETE"):
        furnished.faults.add(
            method=method, path="/deployments/", status=404, body=status, times=None
        )

    fault = await refused(provider, command, call())

    assert fault.code is Code.PLATFORM_FORBIDDEN
    assert len(furnished.calls.writes()) == 1
    for kind in ("statefulsets.apps", "deployments.apps"):
        assert furnished.read(kind, "same")["spec"]["replicas"] == 1


async def test_a_404_about_another_object_does_not_continue_with_the_next_kind(
    provider, furnished, call
):
    furnished.faults.add(method="GET", path="/deployments/", status=404, body=OTHERS[3], times=None)

    fault = await refused(provider, api.DeleteController("default", "same"), call())

    assert fault.code is Code.NOT_FOUND
    assert furnished.calls.writes() == []


async def test_a_404_about_another_object_does_not_confirm_a_lost_deletion(
    provider, furnished, call
):
    furnished.faults.add(method="DELETE", disconnect="before", times=1)
    furnished.faults.add(method="DELETE", status=404, body=OTHERS[3], times=None)

    await refused(provider, api.DeleteController("default", "same", "Deployment"), call())

    assert furnished.read("deployments.apps", "same") is not None


async def test_a_refusal_of_labels_or_secrets_with_404_does_not_mean_absent(
    provider, cluster, call
):
    cluster.add_pod("one")
    cluster.faults.add(method="PATCH", status=404, body=OTHERS[4], times=None)

    fault = await refused(provider, api.SetMachineLabels("default", "one", {"a": "b"}), call())
    with pytest.raises(Fault, match="the API server refuses the secret") as raised:
        await provider.apply_secret(
            api.ApplySecret("default", manifests.secret(stringData={"a": "b"})), call()
        )

    assert fault.code is raised.value.code is Code.PLATFORM_FORBIDDEN


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (not_found(apps.DEPLOYMENTS, "same"), PATH),
        (not_found(core.PODS, "a.b"), "/api/v1/namespaces/default/pods/a.b"),
        (not_found(core.NAMESPACES, "default"), "/api/v1/namespaces/default"),
    ],
)
def test_a_404_that_names_the_requested_object_means_absent(status, path):
    fault = of_answer("GET", 404, {}, json.dumps(status.status).encode(), path)

    assert isinstance(fault, Absent)
    assert fault.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("method", "code"), [("GET", Code.NOT_FOUND), ("PATCH", Code.PLATFORM_FORBIDDEN)]
)
def test_a_404_without_a_name_is_not_found_for_a_query_and_forbidden_for_a_command(method, code):
    status = json.dumps(failure(404, "NotFound", MESSAGE, None).status).encode()

    assert of_answer(method, 404, {}, status, PATH).code is code


@pytest.mark.parametrize("details", [None, {}])
def test_the_message_names_the_object_if_details_are_missing(details):
    message = 'deployments.apps "same" not found'
    status = json.dumps(failure(404, "NotFound", message, details).status).encode()

    assert isinstance(of_answer("PATCH", 404, {}, status, PATH), Absent)
    other = of_answer("PATCH", 404, {}, status.replace(b"same", b"other"), PATH)
    assert isinstance(other, Denied)


@pytest.mark.parametrize("path", [PATH, PATH.removesuffix("/same")])
def test_a_missing_namespace_is_not_found_and_not_an_absent_object(path):
    fault = of_answer(
        "POST", 404, {}, json.dumps(not_found(core.NAMESPACES, "default").status).encode(), path
    )

    assert fault.code is Code.NOT_FOUND
    assert not isinstance(fault, Absent | Denied)


MISSING: list[Callable[[str], Operation[Any]]] = [
    lambda scope: api.UpdateControllerReplicas(scope, "web", 2),
    lambda scope: api.DeleteController(scope, "web", "Deployment"),
    lambda scope: api.DeleteController(scope, "web"),
    lambda scope: api.DeleteService(scope, "web"),
    lambda scope: api.SetMachineLabels(scope, "web", {"a": "b"}),
    lambda scope: api.GetController(scope, "web"),
    lambda scope: api.GetMachine(scope, "web"),
]


@pytest.mark.parametrize("scope", ["default", "nowhere"])
@pytest.mark.parametrize("operation", MISSING, ids=range(len(MISSING)))
async def test_an_absent_object_is_not_found_with_and_without_its_namespace(
    provider, cluster, call, operation, scope
):
    asked = operation(scope)

    with pytest.raises(Fault) as raised:
        await getattr(provider, asked.row.name)(asked, call())

    assert raised.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "operation",
    [
        api.ApplyController("nowhere", manifests.deployment()),
        api.ApplyService("nowhere", manifests.service()),
        api.ApplySecret("nowhere", manifests.secret(stringData={"a": "b"})),
        api.ApplyHttpRoute("nowhere", manifests.route()),
    ],
)
async def test_applying_in_a_missing_namespace_is_not_found_and_names_it(
    provider, cluster, call, operation
):
    with pytest.raises(Fault, match='namespaces "nowhere" not found') as raised:
        await getattr(provider, operation.row.name)(operation, call())

    assert raised.value.code is Code.NOT_FOUND
