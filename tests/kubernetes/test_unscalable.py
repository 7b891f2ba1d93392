"""A scaling that another controller would undo is a conflict or has a warning."""

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes import manifests, outside
from tests.kubernetes.objects import owner
from tests.kubernetes.restricted import restricted
from worker.provider import Call
from worker.providers import k8s

RULES = ("get patch", "deployments.apps", "default")


def scaling(name: str, replicas: int = 5, kind: str | None = None) -> api.UpdateControllerReplicas:
    return api.UpdateControllerReplicas("default", name, replicas, kind)


def replica_set_of(cluster: KubernetesSandbox) -> str:
    [found] = cluster.read_all("replicasets.apps")
    name: str = found["metadata"]["name"]
    return name


def target(kind: str = "Deployment", name: str = "web", version: str = "apps/v1") -> dict[str, str]:
    return {"kind": kind, "name": name, "apiVersion": version}


@pytest.fixture(params=[False, True], ids=["unknown", "known"])
def learn(request, provider, call):
    """With and without a read of the controller before the command."""

    async def learn(name: str, kind: str | None = None) -> None:
        if request.param:
            await provider.get_controller(api.GetController("default", name, kind), call())

    return learn


@pytest.mark.parametrize("kind", ["ReplicaSet", None])
async def test_scaling_the_replica_set_of_a_deployment_is_a_conflict_that_names_the_deployment(
    provider, cluster, call, learn, kind
):
    cluster.add_deployment("web", replicas=2)
    name = replica_set_of(cluster)
    await learn(name, kind)

    with pytest.raises(Fault, match=r'owned by the Deployment "web"') as raised:
        await provider.update_controller_replicas(scaling(name, kind=kind), call())

    assert raised.value.code is Code.CONFLICT
    assert cluster.read("replicasets.apps", name)["spec"]["replicas"] == 2
    assert cluster.read("deployments.apps", "web")["spec"]["replicas"] == 2


@pytest.mark.parametrize("kind", ["ReplicaSet", None])
async def test_deleting_the_replica_set_of_a_deployment_is_a_conflict_that_names_the_deployment(
    provider, cluster, call, kind
):
    cluster.add_deployment("web", replicas=2)
    name = replica_set_of(cluster)

    with pytest.raises(Fault, match=r'owned by the Deployment "web"') as raised:
        await provider.delete_controller(api.DeleteController("default", name, kind), call())

    assert raised.value.code is Code.CONFLICT
    assert cluster.calls.writes() == []


@pytest.mark.parametrize("redelivered", [False, True])
async def test_deleting_a_controller_of_a_custom_resource_is_a_conflict_that_names_the_owner(
    provider, cluster, call, redelivered
):
    reference = owner("Prometheus", "main", api_version="monitoring.coreos.com/v1")
    cluster.add_deployment("web", owner=reference)

    with pytest.raises(Fault, match=r'owned by the Prometheus "main"') as raised:
        await provider.delete_controller(
            api.DeleteController("default", "web"), Call(call().deadline, redelivered=redelivered)
        )

    assert raised.value.code is Code.CONFLICT
    assert cluster.calls.writes() == []


@pytest.mark.parametrize("redelivered", [False, True])
async def test_scaling_a_controller_of_a_custom_resource_is_a_conflict_that_names_the_owner(
    provider, cluster, call, redelivered
):
    cluster.add_stateful_set("web", replicas=2)
    reference = owner("Prometheus", "main", api_version="monitoring.coreos.com/v1")
    owned = {"metadata": {"ownerReferences": [reference]}}
    outside.patch(cluster, "statefulsets.apps", "web", owned, by="operator")

    with pytest.raises(Fault, match=r'owned by the Prometheus "main"') as raised:
        await provider.update_controller_replicas(
            scaling("web"), Call(call().deadline, redelivered=redelivered)
        )

    assert raised.value.code is Code.CONFLICT
    assert cluster.read("statefulsets.apps", "web")["spec"]["replicas"] == 2


async def test_an_owner_that_is_not_the_controller_does_not_prevent_a_scaling(
    provider, cluster, call, learn
):
    cluster.add_deployment("web", replicas=2)
    reference = owner("App", "shop", api_version="example.com/v1") | {"controller": False}
    owned = {"metadata": {"ownerReferences": [reference]}}
    outside.patch(cluster, "deployments.apps", "web", owned, by="another-client")
    await learn("web")

    for replicas in (5, 6):
        done = await provider.update_controller_replicas(scaling("web", replicas), call())
        assert done.replicas == replicas


async def test_an_owner_added_between_two_scalings_is_found(provider, cluster, call):
    cluster.add_deployment("web", replicas=2)
    await provider.update_controller_replicas(scaling("web", 3), call())
    owned = {"metadata": {"ownerReferences": [owner("App", "shop", api_version="e.com/v1")]}}
    outside.patch(cluster, "deployments.apps", "web", owned, by="operator")

    with pytest.raises(Fault, match=r'owned by the App "shop"'):
        await provider.update_controller_replicas(scaling("web"), call())


async def test_scaling_a_controller_in_deletion_is_a_conflict_that_names_its_finalizers(
    provider, cluster, call, learn
):
    cluster.add_deployment("held", replicas=0)
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    outside.patch(cluster, "deployments.apps", "held", held, by="operator")
    await learn("held")
    await provider.delete_controller(api.DeleteController("default", "held", "Deployment"), call())

    with pytest.raises(Fault, match=r"being deleted, .* example.com/hold") as raised:
        await provider.update_controller_replicas(scaling("held"), call())

    assert raised.value.code is Code.CONFLICT
    assert cluster.read("deployments.apps", "held")["spec"]["replicas"] == 0
    found = await provider.get_controller(api.GetController("default", "held"), call())
    assert found.controller.deleting is True


async def test_a_refused_scaling_without_the_right_to_read_lists_the_possible_reasons(
    cluster, environment, tmp_path, call
):
    cluster.add_deployment("web", replicas=2)
    rules = ("patch", "replicasets.apps", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        with pytest.raises(Fault, match="it has an owner, or it is being deleted") as raised:
            await provider.update_controller_replicas(
                scaling(replica_set_of(cluster), kind="ReplicaSet"), call()
            )

    assert raised.value.code is Code.CONFLICT


@pytest.mark.parametrize("version", ["apps/v1", "apps/v1beta1"])
async def test_scaling_a_controller_of_an_autoscaler_is_a_warning(provider, cluster, call, version):
    cluster.add_deployment("web", replicas=2)
    cluster.add_autoscaler("web-scaler", target(version=version))
    cluster.add_autoscaler("other", target(name="other"))
    cluster.add_autoscaler("custom", target(version="example.com/v1"))
    asked = call()

    done = await provider.update_controller_replicas(scaling("web", 9), asked)

    assert done.replicas == 9
    [warning] = asked.warnings
    assert 'HorizontalPodAutoscaler "web-scaler" (1 to 3 replicas)' in warning


@pytest.mark.parametrize("times", [1, 2], ids=["created", "updated"])
async def test_applying_replicas_that_an_autoscaler_manages_is_a_warning(
    provider, cluster, call, times
):
    cluster.add_autoscaler("web-scaler", target())
    manifest = manifests.deployment("web", 2)
    for _ in range(times):
        asked = call()
        await provider.apply_controller(api.ApplyController("default", manifest), asked)

    [warning] = asked.warnings
    assert 'HorizontalPodAutoscaler "web-scaler" (1 to 3 replicas)' in warning


async def test_applying_a_manifest_without_replicas_looks_up_no_autoscaler(provider, cluster, call):
    cluster.add_autoscaler("web-scaler", target())
    asked = call()

    command = api.ApplyController("default", manifests.deployment("web"))
    await provider.apply_controller(command, asked)

    assert asked.warnings == []
    assert len(cluster.calls) == 2


async def test_scaling_a_controller_of_keda_names_the_scaled_object(provider, cluster, call):
    cluster.add_stateful_set("web", replicas=2)
    scaled = owner("ScaledObject", "queue", api_version="keda.sh/v1alpha1")
    cluster.add_autoscaler("keda-hpa-queue", target("StatefulSet"), owner=scaled)
    asked = call()

    await provider.update_controller_replicas(scaling("web"), asked)

    assert (
        'HorizontalPodAutoscaler "keda-hpa-queue" of the ScaledObject "queue"'
        in (asked.warnings[0])
    )


async def test_a_scaling_without_an_autoscaler_has_no_warning(provider, cluster, call):
    cluster.add_deployment("web", replicas=2)
    asked = call()

    await provider.update_controller_replicas(scaling("web"), asked)

    assert asked.warnings == []


async def test_a_scaling_without_the_right_to_list_autoscalers_is_one_call(
    cluster, environment, tmp_path, call
):
    cluster.add_deployment("web", replicas=2)
    cluster.add_autoscaler("web", target())

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, RULES)) as provider:
        await provider.update_controller_replicas(scaling("web", 3), call())
        cluster.calls.clear()
        for replicas in (4, 5):
            done = await provider.update_controller_replicas(scaling("web", replicas), call())

    assert done.replicas == 5
    assert [each.method for each in cluster.calls] == ["PATCH", "PATCH"]


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"disconnect": "before"}])
async def test_a_failed_lookup_of_autoscalers_does_not_fail_a_scaling(
    provider, cluster, call, fault
):
    cluster.add_deployment("web", replicas=2)
    cluster.faults.add(path="/horizontalpodautoscalers$", **fault, times=None)

    done = await provider.update_controller_replicas(scaling("web", 3), call())

    assert done.replicas == 3
