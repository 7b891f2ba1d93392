"""The operations on the stand-in: their responses, and the number of requests they take."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from contracts import api
from contracts.faults import Code, Fault
from contracts.operation import Operation
from tests.kubernetes import manifests
from tests.kubernetes.restricted import restricted
from worker.dispatch import methods
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

LIST_PODS = r"/pods$"


def test_the_provider_has_methods_of_the_operation_table(provider):
    assert {"get_machine", "get_machines", "get_controller"} <= methods(provider).keys()


async def pods_of(provider: KubernetesProvider, name: str, call: Callable[[], Call]) -> list[str]:
    found = await provider.get_controller(api.GetController("default", name), call())
    assert found.controller.machines is not UNSET
    return sorted(machine.id for machine in found.controller.machines)


@pytest.mark.parametrize(("add", "requests"), [("deployment", 2), ("stateful_set", 1)])
async def test_one_machine_takes_one_request_and_one_for_its_replica_set(
    provider, cluster, call, add, requests
):
    getattr(cluster, f"add_{add}")("web", replicas=1)
    [machine] = await provider.get_machines(api.GetMachines("default"), call())
    cluster.calls.clear()

    again = await provider.get_machine(api.GetMachine("default", machine.id), call())

    assert again == machine
    assert len(cluster.calls) == requests


@pytest.mark.parametrize(("pods", "pages"), [(3, 1), (499, 1), (500, 2), (1000, 3)])
async def test_machines_take_a_request_per_500_and_one_list_of_replica_sets(
    provider, cluster, call, pods, pages
):
    cluster.add_deployment("a", replicas=pods - 2)
    for name in ("b", "c"):
        cluster.add_deployment(name, replicas=1)
    cluster.add_deployment("d", replicas=1)

    machines = await provider.get_machines(api.GetMachines("default"), call())

    assert len({machine.id for machine in machines}) == pods + 1
    assert {machine.controller.name for machine in machines} == {"a", "b", "c", "d"}
    assert cluster.calls.count("GET", LIST_PODS) == pages
    assert cluster.calls.count("GET", r"/replicasets$") == 1
    assert len(cluster.calls) == pages + 1


async def test_all_kinds_of_owners_are_found(provider, cluster, call):
    cluster.add_deployment("a")
    cluster.add_stateful_set("b")
    cluster.add_replica_set("c")
    cluster.add_replication_controller("d")
    cluster.add_pod("e")

    machines = await provider.get_machines(api.GetMachines("default"), call())

    found = {each.controller.kind: each.controller.name for each in machines if each.controller}
    assert found == {
        "Deployment": "a",
        "StatefulSet": "b",
        "ReplicaSet": "c",
        "ReplicationController": "d",
    }
    assert len(machines) == 5


@pytest.mark.parametrize(
    ("broken", "top"), [("/replicasets", "ReplicaSet"), ("/deployments", "Deployment")]
)
async def test_an_unreadable_owner_omits_no_machine(provider, cluster, call, broken, top):
    cluster.add_deployment("a")
    cluster.add_deployment("b")
    cluster.faults.add(path=broken, status=403, body="{}", times=None)

    machines = await provider.get_machines(api.GetMachines("default"), call())

    assert [machine.controller.kind for machine in machines] == [top, top]
    cluster.faults.clear()
    machines = await provider.get_machines(api.GetMachines("default"), call())
    assert [machine.controller.name for machine in machines] == ["a", "b"]


async def test_a_deleted_owner_is_the_top_as_in_the_owner_reference(provider, cluster, call):
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "deleted",
        "uid": "0000",
        "controller": True,
    }
    cluster.add_pod("left", owner=reference)
    cluster.add_pod("node-owned", owner={**reference, "kind": "Node", "apiVersion": "v1"})

    for machine in await provider.get_machines(api.GetMachines("default"), call()):
        assert machine.controller.name == "deleted"


async def test_finished_pods_are_not_listed_but_can_be_read(provider, cluster, call):
    cluster.add_pod("evicted", phase="Failed", ready=False)
    cluster.add_pod("completed", phase="Succeeded", ready=False)
    cluster.add_pod("starting", ready=False)

    machines = await provider.get_machines(api.GetMachines("default"), call())
    evicted = await provider.get_machine(api.GetMachine("default", "evicted"), call())

    assert [machine.id for machine in machines] == ["starting"]
    assert (evicted.status, evicted.ready) == ("Failed", False)


async def test_one_controller_takes_three_requests(provider, cluster, call):
    cluster.add_deployment("web", replicas=3)

    machines = await pods_of(provider, "web", call)

    assert len(machines) == 3
    assert len(cluster.calls) == 3


@pytest.mark.parametrize("add", ["deployment", "stateful_set", "replica_set"])
async def test_pods_with_matching_labels_but_another_owner_are_not_a_controllers_machines(
    provider, cluster, call, add
):
    getattr(cluster, f"add_{add}")("web", replicas=2)
    cluster.add_pod("orphan", labels={"app": "web"})
    cluster.add_pod(
        "of-another",
        labels={"app": "web"},
        owner={
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "web",
            "uid": "0000",
            "controller": True,
        },
    )

    machines = await pods_of(provider, "web", call)

    assert len(machines) == 2
    assert not {"orphan", "of-another"} & set(machines)


async def test_match_expressions_and_flat_selectors_select_machines(provider, cluster, call):
    expressions = [
        {"key": "app", "operator": "In", "values": ["a", "other"]},
        {"key": "track", "operator": "DoesNotExist"},
    ]
    cluster.add_deployment("a", replicas=2, selector={"matchExpressions": expressions})
    cluster.add_replication_controller("flat", replicas=1)
    cluster.add_deployment("b", replicas=3)

    assert len(await pods_of(provider, "a", call)) == 2
    assert len(await pods_of(provider, "flat", call)) == 1


async def test_a_matching_pod_with_an_unreadable_owner_chain_is_kept(provider, cluster, call):
    cluster.add_deployment("web", replicas=2)
    cluster.faults.add(path=r"/replicasets", status=403, body="{}", times=None)

    assert len(await pods_of(provider, "web", call)) == 2


@pytest.mark.parametrize("hints", [{}, {"kind": "Deployment"}, {"api_version": "apps/v1"}])
async def test_a_scaling_is_one_patch_that_records_running_and_desired_counts(
    provider, cluster, call, hints
):
    cluster.add_deployment("web", replicas=3)
    run = call()

    scaled = await provider.update_controller_replicas(
        api.UpdateControllerReplicas("default", "web", 5, **hints), run
    )

    assert (scaled.name, scaled.replicas) == ("web", 5)
    assert scaled.provider_metadata == {"kind": "Deployment", "apiVersion": "apps/v1"}
    assert (run.before, run.after) == ({"running": 3}, {"replicas": 5, "running": 3})
    assert cluster.read("deployments.apps", "web")["spec"]["replicas"] == 5
    [request] = cluster.calls.writes()
    assert request.method == "PATCH"


@pytest.mark.parametrize(
    ("add", "resource", "requests"),
    [
        ("deployment", "deployments.apps", 1),
        ("stateful_set", "statefulsets.apps", 2),
        ("replica_set", "replicasets.apps", 3),
        ("replication_controller", "replicationcontrollers", 4),
    ],
)
async def test_a_bare_name_is_resolved_by_the_patches_themselves(
    provider, cluster, call, add, resource, requests
):
    getattr(cluster, f"add_{add}")("it", replicas=1)

    for replicas in (2, 0, 4):
        cluster.calls.clear()
        await provider.update_controller_replicas(
            api.UpdateControllerReplicas("default", "it", replicas), call()
        )
        assert cluster.read(resource, "it")["spec"]["replicas"] == replicas
        assert [each.method for each in cluster.calls.writes()] == ["PATCH"] * requests


async def test_the_first_kind_of_a_name_wins_unless_a_hint_selects_another(provider, cluster, call):
    cluster.add_stateful_set("it", replicas=1)
    cluster.add_deployment("it", replicas=3)

    hinted = await provider.get_controller(
        api.GetController("default", "it", kind="StatefulSet"), call()
    )
    bare = await provider.get_controller(api.GetController("default", "it"), call())

    assert hinted.controller.replicas == 1
    assert bare.controller.replicas == 3


async def test_an_absent_controller_is_not_found_and_names_the_kinds_tried(provider, cluster, call):
    with pytest.raises(Fault) as raised:
        await provider.get_controller(api.GetController("default", "nope"), call())

    assert raised.value.code is Code.NOT_FOUND
    assert 'no controller "nope" in the namespace "default"' in raised.value.message
    assert "Deployment, StatefulSet, ReplicaSet, ReplicationController" in raised.value.message


async def test_a_query_skips_a_kind_that_the_worker_may_not_access(
    cluster, environment, tmp_path, call
):
    cluster.add_stateful_set("it")
    rules = ("get", "statefulsets.apps", "default"), ("list", "pods", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, *rules)) as provider:
        found = await provider.get_controller(api.GetController("default", "it"), call())
        with pytest.raises(Fault, match='lacks the right to get deployments in the namespace "'):
            await provider.get_controller(api.GetController("default", "nope"), call())

    assert found.controller.provider_metadata["kind"] == "StatefulSet"


@pytest.mark.parametrize("command", [api.UpdateControllerReplicas, api.DeleteController])
@pytest.mark.parametrize("deployments", ["get", "patch delete", ""])
async def test_a_command_stops_at_a_kind_that_the_worker_may_not_access(
    cluster, environment, tmp_path, call, command, deployments
):
    """Each single right to Deployments is insufficient for one of the two commands."""
    cluster.add_deployment("same", replicas=1)
    cluster.add_stateful_set("same", replicas=1)
    is_scaling = command is api.UpdateControllerReplicas
    if deployments == ("patch delete" if is_scaling else "get"):
        deployments = ""
    rules = [("get patch delete", "statefulsets.apps", "default")]
    rules += [(deployments, "deployments.apps", "default")] if deployments else []
    more = (4,) if is_scaling else ()

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, *rules)) as provider:
        run = getattr(provider, command.row.name)
        with pytest.raises(
            Fault, match=r"lacks the right to \w+ deployments .* with the parameter kind"
        ) as raised:
            await run(command("default", "same", *more), call())
        assert raised.value.code is Code.PLATFORM_FORBIDDEN
        assert cluster.read("statefulsets.apps", "same")["spec"]["replicas"] == 1

        await run(command("default", "same", *more, kind="StatefulSet"), call())

    changed = cluster.read("statefulsets.apps", "same")
    assert changed["spec"]["replicas"] == 4 if is_scaling else changed is None


async def test_a_missing_right_is_named(cluster, environment, tmp_path, call):
    rules = ("get", "statefulsets.apps", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        with pytest.raises(Fault, match="lacks the right to list pods") as raised:
            await provider.get_machines(api.GetMachines("default"), call())

    assert raised.value.code is Code.PLATFORM_FORBIDDEN


async def test_a_refusal_by_admission_does_not_scale_another_kind(provider, cluster, call):
    cluster.add_deployment("it")
    cluster.add_stateful_set("it", replicas=1)
    denied = (
        '{"kind":"Status","message":"deployments.apps \\"it\\" is forbidden: frozen","code":403}'
    )
    cluster.faults.add(path=r"/deployments/it", status=403, body=denied, times=None)

    with pytest.raises(Fault, match="frozen") as raised:
        await provider.update_controller_replicas(
            api.UpdateControllerReplicas("default", "it", 5), call()
        )

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert cluster.read("statefulsets.apps", "it")["spec"]["replicas"] == 1


async def test_a_scaling_with_a_lost_response_is_repeated_and_has_one_effect(
    provider, cluster, call
):
    cluster.add_deployment("web", replicas=1)
    cluster.faults.add(method="PATCH", disconnect="after", times=1)

    scaled = await provider.update_controller_replicas(
        api.UpdateControllerReplicas("default", "web", 4, kind="Deployment"), call()
    )

    assert scaled.replicas == 4
    assert len(await pods_of(provider, "web", call)) == 4


async def test_a_scaling_that_was_lost_and_then_rejected_does_not_end_as_not_attempted(
    provider, cluster, call
):
    cluster.add_deployment("web", replicas=1)
    cluster.faults.add(method="PATCH", disconnect="after", times=1)
    cluster.faults.add(method="PATCH", status=429, headers={"retry-after": "60"}, times=None)

    with pytest.raises(Fault) as raised:
        await provider.update_controller_replicas(
            api.UpdateControllerReplicas("default", "web", 4, kind="Deployment"), call()
        )

    assert raised.value.code is Code.PLATFORM_FAILED
    assert cluster.read("deployments.apps", "web")["spec"]["replicas"] == 4


async def test_a_stopped_server_is_unreachable(provider, environment, call, unused_tcp_port):
    stopped = environment | {"PLT_K8S_REST_API_URL": f"https://127.0.0.1:{unused_tcp_port}"}

    async with k8s.open_provider(stopped) as provider:
        with pytest.raises(Fault) as raised:
            await provider.get_machines(api.GetMachines("default"), call())

    assert raised.value.code is Code.PLATFORM_UNREACHABLE


async def test_concurrent_requests_do_not_exceed_the_configured_limit(environment, cluster, call):
    for number in range(12):
        cluster.add_pod(f"p-{number}")
    cluster.faults.add(path=r"/pods/", delay=0.05, times=None)

    async with k8s.open_provider(environment | {"PLT_K8S_CONCURRENCY": "3"}) as provider:
        await asyncio.gather(
            *(
                provider.get_machine(api.GetMachine("default", f"p-{number}"), call())
                for number in range(12)
            )
        )

    moments = sorted(
        [(each.t_start, 1) for each in cluster.calls] + [(each.t_end, -1) for each in cluster.calls]
    )
    at_once = [sum(step for _, step in moments[: end + 1]) for end in range(len(moments))]
    assert max(at_once) <= 3
    assert len(cluster.calls) == 12


async def test_a_request_ends_with_its_deadline(provider, cluster):
    cluster.add_pod("slow")
    cluster.faults.add(path=r"/pods/slow", delay=5, times=None)

    with pytest.raises(Fault) as raised:
        await provider.get_machine(api.GetMachine("default", "slow"), Call.within(0.3))

    assert raised.value.code is Code.DEADLINE_EXCEEDED


HOSTILE = ["a/b", "..", "a%2Fscale", "a?x", "a#b", "a b", "UPPER", "a" * 300, "a\x00", "ü", "", "_"]


def named(bad: str) -> list[Operation[Any]]:
    """Return every operation with an invalid name in each of its members."""
    route = {"match": {"kind": "default"}, "backend": {"serviceName": bad}, "versionId": "v"}
    return [
        api.GetMachine("default", bad),
        api.GetMachine(bad, "web"),
        api.GetMachines(bad),
        api.SetMachineLabels("default", bad, {"a": "b"}),
        api.SetMachineLabels(bad, "web", {"a": "b"}),
        api.GetControllers(bad),
        api.GetControllers("default", bad),
        api.GetController("default", bad),
        api.GetController(bad, "web"),
        api.UpdateControllerReplicas("default", bad, 1),
        api.UpdateControllerReplicas(bad, "web", 1),
        api.ApplyController("default", manifests.deployment(bad)),
        api.ApplyController(bad, manifests.deployment()),
        api.DeleteController("default", bad),
        api.DeleteController(bad, "web"),
        api.GetServicesByLabels(bad, {"a": "b"}),
        api.ApplyService("default", manifests.service(bad)),
        api.ApplyService(bad, manifests.service()),
        api.DeleteService("default", bad),
        api.DeleteService(bad, "web"),
        api.ApplySecret("default", manifests.secret(bad)),
        api.ApplySecret(bad, manifests.secret()),
        api.ListGateways(bad),
        api.ApplyHttpRoute("default", manifests.route(bad)),
        api.ApplyHttpRoute(bad, manifests.route()),
        api.GetHttpRoute("default", bad),
        api.GetHttpRoute(bad, "web"),
        api.DeleteHttpRoute("default", bad),
        api.DeleteHttpRoute(bad, "web"),
        api.ApplyWorkload("default", {"name": bad, "image": "i"}),
        api.ApplyWorkload(bad, {"name": "web", "image": "i"}),
        api.ApplyRoutePlan("default", {"appName": bad, "rules": [route]}),
        api.ApplyRoutePlan("default", {"appName": "web", "rules": [route]}),
        api.ApplyRoutePlan(bad, {"appName": "web", "rules": [route]}),
    ]


@pytest.mark.parametrize("bad", HOSTILE)
async def test_invalid_names_never_reach_the_platform(provider, cluster, call, bad):
    for operation in named(bad):
        with pytest.raises(Fault, match="expected ") as raised:
            await getattr(provider, operation.row.name)(operation, call())
        assert raised.value.code is Code.INVALID, operation

    assert len(cluster.calls) == 0


@pytest.mark.parametrize(
    "labels",
    [{"a b": "c"}, {"a": "b,c=d"}, {"a": "b&limit=1"}, {"": "x"}, {"A/b": "x" * 64}, {"a": "+#%"}],
)
async def test_invalid_labels_never_reach_the_platform(provider, cluster, call, labels):
    with pytest.raises(Fault, match="expected a Kubernetes label") as raised:
        await provider.get_machines(api.GetMachines("default", labels), call())

    assert raised.value.code is Code.INVALID
    assert len(cluster.calls) == 0


@pytest.mark.parametrize(
    "hints",
    [
        {"kind": "Rollout"},
        {"kind": "Deployment", "api_version": "v1"},
        {"api_version": "batch/v1"},
    ],
)
async def test_contradictory_hints_never_reach_the_platform(provider, cluster, call, hints):
    with pytest.raises(Fault, match=re.compile("(kind|apiVersion): expected")) as raised:
        await provider.update_controller_replicas(
            api.UpdateControllerReplicas("default", "web", 1, **hints), call()
        )

    assert raised.value.code is Code.INVALID
    assert len(cluster.calls) == 0
