"""After a change of owners or kinds, every worker gives the same response."""

from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import UNSET

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Machine
from deploy.sandbox.kubernetes.messages import Request
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes import manifests
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

APPS = "/apis/apps/v1/namespaces/default"


@pytest.fixture
async def workers(environment: dict[str, str]) -> AsyncIterator[list[KubernetesProvider]]:
    async with k8s.open_provider(environment) as first, k8s.open_provider(environment) as second:
        yield [first, second]


def orphan(cluster: KubernetesSandbox, plural: str, name: str) -> None:
    """Delete a controller like `kubectl delete --cascade=orphan`."""
    headers = {"authorization": f"Bearer {cluster.token}"}
    cluster.answer(
        Request("DELETE", f"{APPS}/{plural}/{name}", "propagationPolicy=Orphan", headers)
    )


async def applied(worker: KubernetesProvider, call: Callable[[], Call], name: str = "web") -> None:
    manifest = manifests.deployment("web", 2)
    manifest["metadata"]["name"] = name
    await worker.apply_controller(api.ApplyController("default", manifest), call())


async def seen(worker: KubernetesProvider, call: Callable[[], Call]) -> dict[str, object]:
    """Return a worker's responses about the machines of a namespace and their controllers."""
    machines = await worker.get_machines(api.GetMachines("default"), call())
    listed = await worker.get_controllers(api.GetControllers("default"), call())
    single = [await worker.get_machine(api.GetMachine("default", m.id), call()) for m in machines]
    assert single == machines
    answers: dict[str, object] = {
        "machines": sorted(map(controller_of, machines)),
        "listed": sorted(counted(each)[:2] for each in listed.controllers),
    }
    for machine in machines:
        query = api.GetControllers("default", machine.id)
        found = (await worker.get_controllers(query, call())).controllers
        answers[machine.id] = [counted(each)[:2] for each in found]
    for each in listed.controllers:
        one = await worker.get_controller(
            api.GetController("default", each.name, each.provider_metadata["kind"]), call()
        )
        answers[each.name] = counted(one.controller)
    return answers


def controller_of(machine: Machine) -> str:
    assert machine.controller is not UNSET
    return f"{machine.controller.kind} {machine.controller.name}"


def counted(controller: Controller) -> tuple[str, str, int]:
    machines = 0 if controller.machines is UNSET else len(controller.machines)
    return controller.provider_metadata["kind"], controller.name, machines


@pytest.mark.parametrize("adopter", ["web", "other"])
async def test_an_adopting_deployment_has_the_adopted_machines_at_once(
    workers, cluster, call, adopter
):
    await applied(workers[0], call)
    before = [await seen(worker, call) for worker in workers]
    [old] = cluster.read_all("replicasets.apps")

    orphan(cluster, "deployments", "web")
    left = [await seen(worker, call) for worker in workers]
    await applied(workers[1], call, adopter)
    after = [await seen(worker, call) for worker in workers]

    assert before[0] == before[1]
    assert before[0]["listed"] == [("Deployment", "web")]
    assert left[0] == left[1]
    assert left[0]["listed"] == [("ReplicaSet", old["metadata"]["name"])]
    assert after[0] == after[1]
    assert after[0]["listed"] == [("Deployment", adopter)]
    assert after[0][adopter] == ("Deployment", adopter, 2)
    assert after[0]["machines"] == [f"Deployment {adopter}"] * 2
    assert len(cluster.read_all("replicasets.apps")) == 1


async def test_an_adopted_replica_set_is_no_longer_a_controller(workers, cluster, call):
    cluster.add_replica_set("early", replicas=2)
    before = [await seen(worker, call) for worker in workers]

    cluster.add_deployment("web", replicas=1, selector={"matchLabels": {"app": "early"}})
    after = [await seen(worker, call) for worker in workers]

    assert before[0]["listed"] == [("ReplicaSet", "early")]
    assert after[0] == after[1]
    assert "early" not in after[0]


@pytest.mark.parametrize("asked", ["get_controller", "update_controller_replicas"])
async def test_every_worker_resolves_a_bare_name_to_a_newly_created_kind(
    workers, cluster, call, asked
):
    cluster.add_stateful_set("it", replicas=1)
    await workers[0].get_controller(api.GetController("default", "it"), call())
    await workers[0].update_controller_replicas(
        api.UpdateControllerReplicas("default", "it", 2), call()
    )
    cluster.add_deployment("it", replicas=1)

    for worker, replicas in zip(workers, (3, 4), strict=True):
        if asked == "get_controller":
            one = await worker.get_controller(api.GetController("default", "it"), call())
            found = one.controller
        else:
            command = api.UpdateControllerReplicas("default", "it", replicas)
            found = await worker.update_controller_replicas(command, call())
        assert found.provider_metadata["kind"] == "Deployment"

    assert cluster.read("statefulsets.apps", "it")["spec"]["replicas"] == 2


@pytest.mark.parametrize("asked", [0, 1])
async def test_a_deletion_does_not_depend_on_earlier_requests_of_a_worker(
    workers, cluster, call, asked
):
    cluster.add_stateful_set("it")
    await workers[0].get_controller(api.GetController("default", "it"), call())
    cluster.add_deployment("it")

    await workers[asked].delete_controller(api.DeleteController("default", "it"), call())

    assert cluster.read("deployments.apps", "it") is None
    assert cluster.read("statefulsets.apps", "it") is not None


async def test_a_deleted_controller_is_absent_for_every_worker(workers, cluster, call):
    cluster.add_deployment("it")
    await workers[0].get_controller(api.GetController("default", "it"), call())
    cluster.remove("deployments.apps", "it")
    cluster.add_replication_controller("it", replicas=2)

    for worker in workers:
        found = await worker.get_controller(api.GetController("default", "it"), call())
        assert counted(found.controller) == ("ReplicationController", "it", 2)
    await workers[0].delete_controller(api.DeleteController("default", "it"), call())
    for worker in workers:
        with pytest.raises(Fault) as raised:
            await worker.get_controller(api.GetController("default", "it"), call())
        assert raised.value.code is Code.NOT_FOUND


async def test_a_repeated_deletion_by_a_bare_name_does_not_delete_the_next_kind(
    provider, cluster, call
):
    """The first run deleted the Deployment, but its worker was lost before it replied."""
    cluster.add_stateful_set("it")
    repeat = Call(call().deadline, redelivered=True)

    with pytest.raises(Fault, match="repeat the request with kind=StatefulSet") as raised:
        await provider.delete_controller(api.DeleteController("default", "it"), repeat)
    assert raised.value.code is Code.CONFLICT
    assert cluster.read("statefulsets.apps", "it") is not None

    hinted = api.DeleteController("default", "it", "StatefulSet")
    await provider.delete_controller(hinted, Call(call().deadline, redelivered=True))
    assert cluster.read("statefulsets.apps", "it") is None
