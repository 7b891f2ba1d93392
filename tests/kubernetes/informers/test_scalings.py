"""Scalings beside informers: one PATCH, with all that informers know."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts import api
from contracts.faults import Fault
from contracts.freshness import Freshness
from contracts.resources import Controller
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes import outside
from tests.kubernetes.transports import until
from worker.provider import Call
from worker.providers.k8s.kinds import AUTOSCALERS
from worker.providers.k8s.provider import KubernetesProvider

KINDS = [
    ("deployment", "Deployment", "deployments"),
    ("stateful_set", "StatefulSet", "statefulsets"),
    ("replica_set", "ReplicaSet", "replicasets"),
    ("replication_controller", "ReplicationController", "replicationcontrollers"),
]
BOUND_S = 60
TARGET = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}


async def scale(
    provider: KubernetesProvider, replicas: int, kind: str | None = "Deployment", **how: Any
) -> Call:
    call = Call(ample().deadline, **how)
    wanted = api.UpdateControllerReplicas("default", "web", replicas, kind)
    await provider.update_controller_replicas(wanted, call)
    return call


async def read(provider: KubernetesProvider, kind: str = "Deployment") -> Controller:
    query = ample()
    query.freshness = Freshness({})
    found = await provider.get_controller(api.GetController("default", "web", kind), query)
    return found.controller


async def reads(provider: KubernetesProvider, condition: Callable[[Controller], bool]) -> None:
    """Read until a change of another client is visible."""
    async with asyncio.timeout(BOUND_S):
        while not condition(await read(provider)):  # noqa: ASYNC110 - an informer has no event
            await asyncio.sleep(0.001)


async def informed(
    provider: KubernetesProvider, kind: str = "Deployment", resource: str = "deployments"
) -> None:
    """Start the informers of a kind and of autoscalers by use, and wait for them."""
    for replicas in (2, 3):
        await read(provider, kind)
        await scale(provider, replicas, kind)
    await until(lambda: {resource, AUTOSCALERS.plural} <= trusted(provider))


def trusted(provider: KubernetesProvider) -> set[str]:
    return {each.resource for each in provider.informer_states() if each.is_trusted}


def values_in_tests(cluster: KubernetesSandbox) -> dict[str, Any]:
    """Return the paths and values that the last PATCH tested."""
    [*_, body] = [each.body for each in cluster.calls if each.method == "PATCH"]
    operations = json.loads(body or b"")
    return {each["path"]: each["value"] for each in operations if each["op"] == "test"}


@pytest.mark.parametrize(("add", "kind", "resource"), KINDS)
async def test_a_scaling_is_one_request(
    provider: KubernetesProvider, cluster: KubernetesSandbox, add: str, kind: str, resource: str
) -> None:
    getattr(cluster, f"add_{add}")("web", replicas=1)
    await informed(provider, kind, resource)
    cluster.calls.clear()

    await scale(provider, 5, kind)
    await scale(provider, 6, kind, redelivered=True)

    asked = [each for each in cluster.calls if "watch=true" not in each.query]
    assert [(each.method, each.status) for each in asked] == [("PATCH", 200)] * 2


async def test_a_scaling_tests_the_version_that_another_writer_left(
    provider: KubernetesProvider, cluster: KubernetesSandbox
) -> None:
    cluster.add_deployment("web", replicas=1)
    await informed(provider)
    outside.patch(cluster, "deployments.apps", "web", {"spec": {"replicas": 7}}, by="another")
    await reads(provider, lambda found: found.replicas == 7)
    left = cluster.read("deployments.apps", "web")
    assert left is not None
    cluster.calls.clear()

    call = await scale(provider, 4)

    assert [each.status for each in cluster.calls if each.method == "PATCH"] == [200]
    assert values_in_tests(cluster)["/metadata/generation"] == left["metadata"]["generation"]
    assert (call.before["replicas"], call.after["replicas"]) == (7, 4)


async def test_a_version_of_a_worker_that_is_later_than_its_informer_is_tested(
    provider: KubernetesProvider, cluster: KubernetesSandbox
) -> None:
    cluster.add_deployment("web", replicas=1)
    await informed(provider)
    cluster.faults.add(query="watch=true", disconnect="before", times=None)
    cluster.cut_connections()
    await scale(provider, 4)
    cluster.calls.clear()

    await scale(provider, 5)

    assert [each.status for each in cluster.calls if each.method == "PATCH"] == [200]


async def test_a_controller_that_was_made_again_is_scaled(
    provider: KubernetesProvider, cluster: KubernetesSandbox
) -> None:
    cluster.add_deployment("web", replicas=1)
    await informed(provider)
    path = outside.path_of("deployments.apps", "web")
    outside.ask(cluster, "DELETE", path)
    cluster.add_deployment("web", replicas=1)

    call = await scale(provider, 4)

    assert call.after["replicas"] == 4


async def test_an_autoscaler_that_an_informer_has_is_a_warning(
    provider: KubernetesProvider, cluster: KubernetesSandbox
) -> None:
    cluster.add_deployment("web", replicas=1)
    await informed(provider)
    cluster.add_autoscaler("web-scaler", TARGET)
    async with asyncio.timeout(BOUND_S):
        while not (warnings := (await scale(provider, 9)).warnings):
            pass

    assert 'HorizontalPodAutoscaler "web-scaler"' in warnings[0]


@pytest.mark.parametrize("are_informed", [False, True], ids=["live", "informers"])
async def test_a_controller_that_was_read_in_deletion_is_not_scaled(
    provider: KubernetesProvider, cluster: KubernetesSandbox, are_informed: bool
) -> None:
    cluster.add_deployment("web", replicas=0)
    if are_informed:
        await informed(provider)
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    outside.patch(cluster, "deployments.apps", "web", held, by="operator")
    outside.ask(cluster, "DELETE", outside.path_of("deployments.apps", "web"))
    if are_informed:
        await reads(provider, lambda found: found.deleting is True)
    await provider.get_controller(api.GetController("default", "web", "Deployment"), ample())

    with pytest.raises(Fault, match=r"being deleted, .* example.com/hold"):
        await scale(provider, 9)


async def test_a_bare_name_is_looked_up_at_the_api_server_in_the_order_of_kinds(
    provider: KubernetesProvider, cluster: KubernetesSandbox
) -> None:
    """No informer can prove that a controller of an earlier kind was not just created."""
    cluster.add_stateful_set("web", replicas=1)
    await informed(provider, "StatefulSet", "statefulsets")
    cluster.add_deployment("web", replicas=1)

    call = await scale(provider, 4, kind=None)

    assert call.after["replicas"] == 4
    changed = cluster.read("deployments.apps", "web")
    assert changed is not None
    assert changed["spec"]["replicas"] == 4


async def test_a_controller_that_an_informer_shows_with_an_owner_is_not_scaled(
    provider: KubernetesProvider, cluster: KubernetesSandbox
) -> None:
    """A plain owner reference, which this worker knows, became a controlling one."""
    cluster.add_deployment("web", replicas=1)
    plain: dict[str, Any] = {"apiVersion": "e.com/v1", "kind": "App", "name": "shop", "uid": "1"}
    own = {"metadata": {"ownerReferences": [plain]}}
    outside.patch(cluster, "deployments.apps", "web", own, by="operator")
    await informed(provider)
    own["metadata"]["ownerReferences"] = [plain | {"controller": True}]
    outside.patch(cluster, "deployments.apps", "web", own, by="operator")
    changed = cluster.read("deployments.apps", "web")
    assert changed is not None
    version = int(changed["metadata"]["resourceVersion"])
    query = ample()
    query.freshness = Freshness({"deployments": version})
    await provider.get_controller(api.GetController("default", "web", "Deployment"), query)

    with pytest.raises(Fault, match=r'owned by the App "shop"'):
        await scale(provider, 9)
