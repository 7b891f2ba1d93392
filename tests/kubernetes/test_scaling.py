"""A scaling is conditional on the last known spec version, so a late request has no effect."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.calls import Call as Asked
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import Ending, ample
from tests.kubernetes.restricted import restricted
from tests.kubernetes.scripted import Scripted, answer, failure
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

CONTROLLERS = [
    ("deployment", "deployments.apps", "Deployment"),
    ("stateful_set", "statefulsets.apps", "StatefulSet"),
    ("replica_set", "replicasets.apps", "ReplicaSet"),
    ("replication_controller", "replicationcontrollers", "ReplicationController"),
]


def scaling(replicas: int, kind: str | None = "Deployment") -> api.UpdateControllerReplicas:
    return api.UpdateControllerReplicas("default", "web", replicas, kind)


def redelivered(may_go_on: Callable[[], bool] = lambda: True) -> Call:
    return Call(ample().deadline, may_go_on, redelivered=True)


def calls_of(cluster: KubernetesSandbox) -> list[Asked]:
    """Return the requests of the scaling, without the lookup of autoscalers."""
    return [each for each in cluster.calls if "autoscalers" not in each.path]


def methods_of(cluster: KubernetesSandbox) -> list[str]:
    return [call.method for call in calls_of(cluster)]


def replicas_of(cluster: KubernetesSandbox, resource: str = "deployments.apps") -> int:
    found = cluster.read(resource, "web")
    assert found is not None
    replicas: int = found["spec"]["replicas"]
    return replicas


def operations(body: bytes | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body or b"")
    return found


@pytest.mark.parametrize(("add", "resource", "kind"), CONTROLLERS)
async def test_the_second_scaling_tests_the_version_that_the_first_one_left(
    provider, cluster, call, add, resource, kind
):
    getattr(cluster, f"add_{add}")("web", replicas=1)
    await provider.update_controller_replicas(scaling(2, kind), call())
    left = cluster.read(resource, "web")["metadata"]

    await provider.update_controller_replicas(scaling(3, kind), call())

    assert methods_of(cluster) == ["PATCH", "PATCH"]
    assert operations(calls_of(cluster)[-1].body) == [
        {"op": "test", "path": "/metadata/uid", "value": left["uid"]},
        {"op": "test", "path": "/metadata/generation", "value": left["generation"]},
        {"op": "test", "path": "/metadata/ownerReferences", "value": None},
        {"op": "add", "path": "/spec/replicas", "value": 3},
    ]
    assert replicas_of(cluster, resource) == 3
    assert cluster.read(resource, "web")["metadata"]["generation"] == left["generation"] + 1


async def test_a_read_or_applied_controller_makes_the_first_scaling_conditional(
    provider, cluster, call
):
    cluster.add_deployment("web", replicas=1)
    await provider.get_controller(api.GetController("default", "web", "Deployment"), call())
    await provider.update_controller_replicas(scaling(2), call())
    assert operations(calls_of(cluster)[-1].body)[1]["path"] == "/metadata/generation"

    manifest = cluster.read("deployments.apps", "web")
    applied = {"kind": "Deployment", "metadata": {"name": "web"}, "spec": manifest["spec"]}
    applied["spec"]["template"]["spec"]["containers"][0]["image"] = "another:1"
    await provider.apply_controller(api.ApplyController("default", applied), call())
    cluster.calls.clear()
    await provider.update_controller_replicas(scaling(3), call())

    assert methods_of(cluster) == ["PATCH"]


@pytest.mark.parametrize("kind", ["Deployment", None])
async def test_a_redelivered_scaling_of_an_unknown_controller_reads_first(provider, cluster, kind):
    cluster.add_deployment("web", replicas=1)

    done = await provider.update_controller_replicas(scaling(2, kind), redelivered())

    assert done.replicas == 2
    assert methods_of(cluster) == ["GET", "PATCH"]
    assert operations(calls_of(cluster)[-1].body)[0]["op"] == "test"


async def test_a_redelivered_scaling_finds_the_kind_of_a_bare_name(provider, cluster):
    cluster.add_replica_set("web", replicas=1)

    done = await provider.update_controller_replicas(scaling(2, None), redelivered())

    assert done.provider_metadata["kind"] == "ReplicaSet"
    assert methods_of(cluster) == ["GET", "GET", "GET", "PATCH"]


async def test_a_redelivered_scaling_of_a_known_controller_is_one_call(provider, cluster, call):
    cluster.add_deployment("web", replicas=1)
    await provider.update_controller_replicas(scaling(2), call())
    cluster.calls.clear()

    await provider.update_controller_replicas(scaling(3), redelivered())

    assert methods_of(cluster) == ["PATCH"]


async def test_a_spec_changed_by_another_writer_is_read_and_scaled(
    provider, cluster, call, environment
):
    cluster.add_deployment("web", replicas=1)
    await provider.update_controller_replicas(scaling(2), call())
    async with k8s.open_provider(environment) as another:
        await another.update_controller_replicas(scaling(7), call())
    cluster.calls.clear()

    done = await provider.update_controller_replicas(scaling(3), call())

    assert (done.replicas, replicas_of(cluster)) == (3, 3)
    assert [(each.method, each.status) for each in calls_of(cluster)] == [
        ("PATCH", 422),
        ("GET", 200),
        ("PATCH", 200),
    ]


async def test_a_late_scaling_fails_at_the_platform_and_is_not_sent_again(
    provider, cluster, call, environment
):
    """The worker is frozen after its fence check; its successor scales; then it resumes."""
    cluster.add_deployment("web", replicas=1)
    await provider.update_controller_replicas(scaling(2), call())

    def until_the_request_was_sent() -> bool:
        return not cluster.calls.matching("PATCH")

    async with k8s.open_provider(environment) as successor:
        await successor.update_controller_replicas(scaling(7), redelivered())
    cluster.calls.clear()

    with pytest.raises(Fault) as raised:
        await provider.update_controller_replicas(
            scaling(3), Call(call().deadline, until_the_request_was_sent)
        )

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert [(each.method, each.status) for each in calls_of(cluster)] == [("PATCH", 422)]
    assert replicas_of(cluster) == 7


async def test_a_late_scaling_fails_its_test_on_a_new_object_of_the_same_name(
    provider, cluster, call, environment
):
    cluster.add_deployment("web", replicas=1)
    await provider.get_controller(api.GetController("default", "web", "Deployment"), call())
    async with k8s.open_provider(environment) as successor:
        await successor.delete_controller(
            api.DeleteController("default", "web", "Deployment"), call()
        )
    cluster.add_deployment("web", replicas=5)
    assert cluster.read("deployments.apps", "web")["metadata"]["generation"] == 1
    cluster.calls.clear()

    await provider.update_controller_replicas(scaling(3), call())

    assert [each.status for each in calls_of(cluster)] == [422, 200, 200]


async def test_a_scaling_with_a_lost_response_is_read_and_repeated(provider, cluster, call):
    """The repeat fails its test, because the first request took effect."""
    cluster.add_deployment("web", replicas=1)
    await provider.update_controller_replicas(scaling(2), call())
    cluster.calls.clear()
    cluster.faults.add(method="PATCH", disconnect="after", times=1)

    done = await provider.update_controller_replicas(scaling(4), call())

    assert (done.replicas, replicas_of(cluster)) == (4, 4)
    assert [(each.method, each.status) for each in calls_of(cluster)] == [
        ("PATCH", None),
        ("PATCH", 422),
        ("GET", 200),
        ("PATCH", 200),
    ]


async def test_a_refused_value_is_reported_although_the_spec_is_known(provider, cluster, call):
    cluster.add_deployment("web", replicas=1)
    await provider.get_controller(api.GetController("default", "web", "Deployment"), call())
    refusal = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Invalid",
        "code": 422,
        "message": "the quota of this team is three",
    }
    cluster.faults.add(method="PATCH", status=422, body=json.dumps(refusal), times=None)

    with pytest.raises(Fault, match="quota of this team") as raised:
        await provider.update_controller_replicas(scaling(4), call())

    assert raised.value.code is Code.PLATFORM_INVALID
    assert methods_of(cluster)[-2:] == ["PATCH", "GET"]


async def test_a_worker_that_may_not_read_scales_without_a_condition(
    cluster, environment, tmp_path, call
):
    cluster.add_deployment("web", replicas=1)
    rules = ("patch", "deployments.apps", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        await provider.update_controller_replicas(scaling(2), redelivered())
        async with k8s.open_provider(environment) as another:
            await another.update_controller_replicas(scaling(7), call())
        cluster.calls.clear()
        done = await provider.update_controller_replicas(scaling(3), call())

    assert done.replicas == 3
    assert [each.status for each in calls_of(cluster)] == [422, 403, 200]


async def test_a_spec_that_changes_all_the_time_ends_as_platform_failed(tmp_path):
    """A lasting failure of the test must not be reported as an invalid value."""
    generation = 0

    def changed_once_more(request: httpx.Request) -> httpx.Response:
        nonlocal generation
        generation += 1
        if request.method == "PATCH":
            return failure(422, "Invalid", "the server rejected our request")
        metadata = {"name": "web", "uid": "u", "generation": generation}
        return answer({"metadata": metadata, "spec": {"replicas": 1}})

    server = Scripted(changed_once_more)
    async with server.client(tmp_path) as client:
        with pytest.raises(Fault, match="other clients kept changing the object") as raised:
            await KubernetesProvider(client).update_controller_replicas(
                scaling(3), Ending(lambda: len(server.requests) >= 4, redelivered=True)
            )

    assert raised.value.code is Code.PLATFORM_FAILED
    assert [each.method for each in server.requests] == ["GET", "PATCH"] * 2
