"""Controllers of a namespace and of a machine, and their deletion."""

from collections.abc import Callable

import pytest
from msgspec import UNSET

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes import manifests
from tests.kubernetes.restricted import restricted
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

KINDS = {
    "Deployment": "deployment",
    "StatefulSet": "stateful_set",
    "ReplicaSet": "replica_set",
    "ReplicationController": "replication_controller",
}
LISTS = {
    "Deployment": "/deployments$",
    "StatefulSet": "/statefulsets$",
    "ReplicaSet": "/replicasets$",
    "ReplicationController": "/replicationcontrollers$",
}
RESOURCES = {
    "Deployment": "deployments.apps",
    "StatefulSet": "statefulsets.apps",
    "ReplicaSet": "replicasets.apps",
    "ReplicationController": "replicationcontrollers",
}


def shape(controllers: list[Controller]) -> list[tuple[str, str, int]]:
    return sorted(
        (each.provider_metadata["kind"], each.name, each.replicas) for each in controllers
    )


async def listed(
    provider: KubernetesProvider, call: Callable[[], Call], machine: str | None = None
) -> list[Controller]:
    found = await provider.get_controllers(api.GetControllers("default", machine), call())
    return found.controllers


@pytest.mark.parametrize(("pods", "pages"), [(3, 1), (500, 1), (501, 2), (1001, 3)])
async def test_a_list_takes_a_request_per_500_pods_and_one_per_kind_of_controller(
    provider, cluster, call, pods, pages
):
    cluster.add_deployment("a", replicas=pods - 1)
    cluster.add_deployment("b", replicas=1)

    found = await listed(provider, call)

    assert shape(found) == [("Deployment", "a", pods - 1), ("Deployment", "b", 1)]
    assert cluster.calls.count("GET", "/pods$") == pages
    assert [cluster.calls.count("GET", path) for path in LISTS.values()] == [1, 1, 1, 1]
    assert len(cluster.calls) == pages + 4


async def test_all_kinds_are_listed_and_controllers_of_one_name_are_distinguished(
    provider, cluster, call
):
    for number, (kind, add) in enumerate(KINDS.items(), 1):
        own = {"kind": kind}
        getattr(cluster, f"add_{add}")(
            "same", replicas=number, labels=own, selector={"matchLabels": own}
        )

    controllers = await listed(provider, call)

    assert shape(controllers) == sorted(
        (kind, "same", number) for number, kind in enumerate(KINDS, 1)
    )
    assert {each.provider_metadata["apiVersion"] for each in controllers} == {"apps/v1", "v1"}


@pytest.mark.parametrize("on", KINDS)
async def test_controllers_scaled_to_zero_are_listed_beside_running_ones(
    provider, cluster, call, on
):
    getattr(cluster, f"add_{KINDS[on]}")("on", replicas=1)
    for kind, add in KINDS.items():
        getattr(cluster, f"add_{add}")(f"off-{kind.lower()}", replicas=0)

    assert shape(await listed(provider, call)) == sorted(
        [(on, "on", 1), *((kind, f"off-{kind.lower()}", 0) for kind in KINDS)]
    )


async def test_the_old_replica_sets_of_a_deployment_are_not_listed(provider, cluster, call):
    await rolled_out("web:1", provider, call)
    await rolled_out("web:2", provider, call)
    assert len(cluster.read_all("replicasets.apps")) == 2

    assert shape(await listed(provider, call)) == [("Deployment", "web", 1)]


async def rolled_out(image: str, provider: KubernetesProvider, call: Callable[[], Call]) -> None:
    manifest = manifests.deployment("web", 1, image)
    await provider.apply_controller(api.ApplyController("default", manifest), call())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replicas", [0, 2])
async def test_a_workload_owned_by_a_custom_resource_is_a_controller(
    provider, cluster, call, kind, replicas
):
    add_owned(cluster, kind, "store-data", replicas)
    pods = [pod["metadata"]["name"] for pod in cluster.read_all("pods")]

    found = await listed(provider, call)
    machines = await provider.get_machines(api.GetMachines("default"), call())

    assert shape(found) == [(kind, "store-data", replicas)]
    assert [machine.id for machine in machines] == pods
    assert {(each.controller.kind, each.controller.name) for each in machines} <= {
        (kind, "store-data")
    }
    for pod in pods:
        [of_machine] = await listed(provider, call, pod)
        assert (of_machine.name, of_machine.replicas) == ("store-data", replicas)
        assert of_machine.provider_metadata["kind"] == kind


def add_owned(cluster: KubernetesSandbox, kind: str, name: str, replicas: int) -> None:
    """Add a workload that is controlled by a custom resource, as operators create them."""
    owner = {
        "apiVersion": "example.com/v1",
        "kind": "Store",
        "name": "main",
        "uid": "uid-of-the-store",
        "controller": True,
    }
    getattr(cluster, f"add_{KINDS[kind]}")(name, replicas=replicas, owner=owner)


async def test_all_kinds_are_listed_without_any_pod(provider, cluster, call):
    for kind, add in KINDS.items():
        getattr(cluster, f"add_{add}")(kind.lower(), replicas=0)

    assert [each[0] for each in shape(await listed(provider, call))] == sorted(KINDS)
    assert len(cluster.calls) == 5


async def test_an_empty_namespace_has_no_controllers(provider, cluster, call):
    assert await listed(provider, call) == []


async def test_owners_of_other_kinds_are_not_controllers(provider, cluster, call):
    reference = {"name": "batch", "uid": "0000", "controller": True}
    cluster.add_pod("job-1", owner={"apiVersion": "batch/v1", "kind": "Job", **reference})
    cluster.add_pod("bare")

    assert await listed(provider, call) == []
    assert await listed(provider, call, "job-1") == []
    assert await listed(provider, call, "bare") == []


async def test_controllers_of_a_forbidden_kind_are_derived_from_their_pods(
    cluster, environment, tmp_path, call
):
    cluster.add_deployment("web", replicas=2)
    cluster.add_stateful_set("db", replicas=3)
    rules = ("get list", "pods deployments.apps replicasets.apps", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        controllers = await listed(provider, call)

    assert shape(controllers) == [("Deployment", "web", 2), ("StatefulSet", "db", 3)]


@pytest.mark.parametrize(
    ("readable", "pod", "expected"),
    [
        ("deployments.apps replicasets.apps", "db-0", ("StatefulSet", "db", 3)),
        ("replicasets.apps statefulsets.apps", "web-", ("Deployment", "web", 2)),
        ("deployments.apps statefulsets.apps", "web-", ("ReplicaSet", "web-", 2)),
    ],
)
async def test_an_unreadable_controller_of_a_machine_comes_from_the_list(
    cluster, environment, tmp_path, call, readable, pod, expected
):
    cluster.add_deployment("web", replicas=2)
    cluster.add_stateful_set("db", replicas=3)
    rules = ("get list", f"pods {readable}", "default")
    named = (each["metadata"]["name"] for each in cluster.read_all("pods"))
    machine = next(name for name in named if name.startswith(pod))

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        [found] = await listed(provider, call, machine)
        whole = await listed(provider, call)

    assert found in whole
    assert found.machines is UNSET
    assert (found.provider_metadata["kind"], found.replicas) == expected[::2]
    assert found.name.startswith(expected[1])


@pytest.mark.parametrize("kind", KINDS)
async def test_the_controller_of_a_machine_takes_a_request_per_owner(provider, cluster, call, kind):
    getattr(cluster, f"add_{KINDS[kind]}")("web", replicas=2)
    [pod, _] = cluster.read_all("pods")

    [found] = await listed(provider, call, pod["metadata"]["name"])

    assert (found.name, found.replicas, found.machines) == ("web", 2, UNSET)
    assert found.provider_metadata["kind"] == kind
    assert len(cluster.calls) == (3 if kind == "Deployment" else 2)


async def test_a_machine_with_a_deleted_or_replaced_controller_has_none(provider, cluster, call):
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "0000", "controller": True}
    cluster.add_replica_set("later", replicas=0)
    cluster.add_pod("one", owner=owner | {"name": "gone"})
    cluster.add_pod("two", owner=owner | {"name": "later"})

    assert await listed(provider, call, "one") == []
    assert await listed(provider, call, "two") == []


async def test_an_absent_machine_is_not_found(provider, call):
    with pytest.raises(Fault, match='pods "nope" not found') as raised:
        await listed(provider, call, "nope")

    assert raised.value.code is Code.NOT_FOUND


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deletion_deletes_the_pods_and_returns_an_object(provider, cluster, call, kind):
    getattr(cluster, f"add_{KINDS[kind]}")("web", replicas=2)
    assert len(cluster.read_all("pods")) == 2

    answer = await provider.delete_controller(
        api.DeleteController("default", "web", kind=kind), call()
    )

    assert answer == {"name": "web", "deleted": True}
    assert cluster.read(RESOURCES[kind], "web") is None
    assert cluster.read_all("pods") == []
    [request] = cluster.calls.writes()
    assert request.method == "DELETE"
    assert "Background" in request.query + (request.body or b"").decode()


@pytest.mark.parametrize(
    ("kind", "requests"),
    [("Deployment", 2), ("StatefulSet", 3), ("ReplicaSet", 4), ("ReplicationController", 5)],
)
async def test_a_deletion_by_a_bare_name_reads_the_controller_first(
    provider, cluster, call, kind, requests
):
    getattr(cluster, f"add_{KINDS[kind]}")("web")
    await provider.get_controller(api.GetController("default", "web"), call())
    cluster.calls.clear()

    await provider.delete_controller(api.DeleteController("default", "web"), call())

    assert cluster.read(RESOURCES[kind], "web") is None
    assert len(cluster.calls) == requests


@pytest.mark.parametrize("hint", [None, "Deployment"])
async def test_a_deletion_with_a_lost_response_deletes_one_object_and_succeeds(
    provider, cluster, call, hint
):
    cluster.add_deployment("it")
    cluster.add_stateful_set("it")
    cluster.faults.add(method="DELETE", disconnect="after", times=1)

    answer = await provider.delete_controller(api.DeleteController("default", "it", hint), call())

    assert answer == {"name": "it", "deleted": True}
    assert cluster.read("deployments.apps", "it") is None
    assert cluster.read("statefulsets.apps", "it") is not None


@pytest.mark.parametrize("hint", [None, "StatefulSet"])
async def test_the_deletion_of_an_absent_controller_is_not_found(provider, cluster, call, hint):
    with pytest.raises(Fault, match='"nope"') as raised:
        await provider.delete_controller(api.DeleteController("default", "nope", hint), call())

    assert raised.value.code is Code.NOT_FOUND


async def test_a_deletion_that_may_have_happened_never_ends_as_not_attempted(provider, cluster):
    cluster.add_deployment("it")
    cluster.faults.add(method="DELETE", disconnect="after", times=1)
    cluster.faults.add(method="DELETE", status=429, headers={"retry-after": "60"}, times=None)

    with pytest.raises(Fault, match="may have had an effect") as raised:
        await provider.delete_controller(
            api.DeleteController("default", "it", "Deployment"), Call.within(50)
        )

    assert raised.value.code is Code.PLATFORM_FAILED
