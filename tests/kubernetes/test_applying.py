"""Applying manifests: kept and removed fields, concurrent writers, and failures."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import Ending, ample
from tests.kubernetes import manifests, outside
from tests.kubernetes.manifests import Json
from tests.kubernetes.scripted import Scripted, answer, failure
from worker.provider import Call
from worker.providers.k8s.provider import KubernetesProvider

WRITE_EVERY_S = 0.001
"""Shorter than an apply, so that a write can fall between its read and its write."""


def controller(manifest: Json) -> api.ApplyController:
    return api.ApplyController("default", manifest)


def service(manifest: Json) -> api.ApplyService:
    return api.ApplyService("default", manifest)


def methods_of(cluster: KubernetesSandbox) -> list[str]:
    return [call.method for call in cluster.calls]


@contextmanager
def outside_writer(cluster: KubernetesSandbox, kind: str, name: str) -> Iterator[None]:
    """Change an object again and again."""
    done = threading.Event()

    def write() -> None:
        cluster.touch(kind, name)
        while not done.wait(WRITE_EVERY_S):
            cluster.touch(kind, name)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"]
)
async def test_each_kind_is_created_and_updated_in_two_calls(provider, cluster, call, kind):
    created = await provider.apply_controller(
        controller(manifests.workload_of_kind(kind, "web")), call()
    )

    assert (created["kind"], created["spec"]["replicas"]) == (kind, 1)
    assert methods_of(cluster) == ["GET", "POST"]
    cluster.calls.clear()
    updated = await provider.apply_controller(
        controller(manifests.workload_of_kind(kind, "web")), call()
    )
    assert updated["metadata"]["uid"] == created["metadata"]["uid"]
    assert methods_of(cluster) == ["GET", "PATCH"]


@pytest.mark.parametrize("replicas", [True, 1.0, "1"])
async def test_replicas_of_a_wrong_type_are_refused_on_creation_and_update(
    provider, cluster, call, replicas
):
    wrong = controller(manifests.deployment("web", replicas))
    codes = set()
    for manifest in (None, manifests.deployment("web", 1)):
        if manifest is not None:
            await provider.apply_controller(controller(manifest), call())
        with pytest.raises(Fault) as raised:
            await provider.apply_controller(wrong, call())
        codes.add(raised.value.code)

    assert codes <= {Code.INVALID, Code.PLATFORM_INVALID}


@pytest.mark.parametrize("exists", [False, True], ids=["created", "updated"])
@pytest.mark.parametrize("status", [403, 422])
async def test_a_webhook_that_quotes_a_decoding_error_is_not_reported_as_an_unknown_field(
    provider, cluster, call, exists, status
):
    if exists:
        await provider.apply_controller(controller(manifests.deployment()), call())
    message = 'the pod: strict decoding error: unknown field "spec.a" of the pod template'
    cluster.faults.deny(status, message, method="PATCH" if exists else "POST")

    with pytest.raises(Fault, match=r'admission webhook "objects.example.com"') as raised:
        await provider.apply_controller(controller(manifests.deployment()), call())

    forbidden, invalid = Code.PLATFORM_FORBIDDEN, Code.PLATFORM_INVALID
    assert raised.value.code is (forbidden if status == 403 else invalid)
    assert message in raised.value.message


@pytest.mark.parametrize("running", [0, 1, 7])
async def test_a_replica_count_that_a_manifest_does_not_name_is_kept(
    provider, cluster, call, running
):
    await provider.apply_controller(controller(manifests.deployment("web", 2)), call())
    await provider.update_controller_replicas(
        api.UpdateControllerReplicas("default", "web", running), call()
    )

    for image in ("r.example/web:2", "r.example/web:3"):
        applied = await provider.apply_controller(
            controller(manifests.deployment("web", image=image)), call()
        )
        assert applied["spec"]["replicas"] == running
        assert applied["spec"]["template"]["spec"]["containers"][0]["image"] == image


async def test_an_applied_replica_count_is_kept_by_a_manifest_without_replicas(
    provider, cluster, call
):
    await provider.apply_controller(controller(manifests.deployment("web", 5)), call())

    applied = await provider.apply_controller(controller(manifests.deployment("web")), call())

    assert applied["spec"]["replicas"] == 5


async def test_null_replicas_count_as_absent(provider, cluster, call):
    cluster.add_deployment("web", replicas=4, selector={"matchLabels": {"app": "web"}})
    manifest = manifests.deployment("web")
    manifest["spec"] |= {"replicas": None, "selector": {"matchLabels": {"app": "web"}}}
    manifest["spec"]["template"]["metadata"]["labels"] = {"app": "web"}

    applied = await provider.apply_controller(controller(manifest), call())

    assert applied["spec"]["replicas"] == 4


async def test_a_scaling_during_applies_is_not_lost(provider, cluster, call):
    await provider.apply_controller(controller(manifests.deployment("web", 1)), call())

    await asyncio.gather(
        *(
            provider.apply_controller(
                controller(manifests.deployment("web", image=f"r.example/web:{number}")), call()
            )
            for number in range(10)
        ),
        provider.update_controller_replicas(
            api.UpdateControllerReplicas("default", "web", 6), call()
        ),
    )

    assert cluster.read("deployments.apps", "web")["spec"]["replicas"] == 6


async def test_concurrent_creations_of_one_object_all_succeed(provider, cluster, call):
    applied = await asyncio.gather(
        *(
            provider.apply_controller(controller(manifests.deployment("web", 2)), call())
            for _ in range(8)
        )
    )

    assert len({each["metadata"]["uid"] for each in applied}) == 1
    assert cluster.calls.count("POST") > 1, "the race did not happen"
    assert {each.status for each in cluster.calls.matching("POST")} == {201, 409}


async def test_an_object_deleted_between_read_and_write_is_created(tmp_path, call):
    manifest = manifests.service()
    absent = failure(404, "NotFound", 'services "web" not found', name="web", kind="services")
    server = Scripted(answer(manifest), absent, absent, answer(manifest, 201))

    async with server.client(tmp_path) as client:
        await KubernetesProvider(client).apply_service(service(manifest), call())

    assert [request.method for request in server.requests] == ["GET", "PATCH", "GET", "POST"]


@pytest.mark.parametrize("number", range(5))
async def test_a_concurrent_writer_causes_no_conflict(provider, cluster, call, number):
    await provider.apply_controller(controller(manifests.deployment("web", 3)), call())
    await provider.apply_service(service(manifests.service()), call())

    with outside_writer(cluster, "deployments.apps", "web"):
        applied = await provider.apply_controller(
            controller(manifests.deployment("web", image=f"r.example/web:{number}")), call()
        )
    with outside_writer(cluster, "services", "web"):
        await provider.apply_service(service(manifests.service("web", 80)), call())

    assert applied["spec"]["replicas"] == 3
    assert "touched" in cluster.read("deployments.apps", "web")["metadata"]["annotations"]


async def test_a_conflict_inside_the_platform_is_retried(provider, cluster, call):
    cluster.add_service("web")
    conflict = {"kind": "Status", "message": "try again", "reason": "Conflict", "code": 409}
    cluster.faults.add(method="PATCH", status=409, body=conflict, times=3)

    await provider.apply_service(service(manifests.service()), call())

    assert cluster.calls.count("PATCH") == 4


async def test_conflicts_until_the_deadline_end_as_platform_failed(provider, cluster):
    conflict = {"kind": "Status", "message": "try again", "reason": "Conflict", "code": 409}
    cluster.faults.add(method="POST", status=409, body=conflict, times=None)
    until_posted_twice = Ending(lambda: cluster.calls.count("POST") >= 2)

    with pytest.raises(Fault, match="other clients kept changing the object") as raised:
        await provider.apply_service(service(manifests.service()), until_posted_twice)

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_creation_with_a_lost_response_is_followed_by_a_read(provider, cluster, call):
    cluster.faults.add(method="POST", disconnect="after", times=1)

    applied = await provider.apply_controller(controller(manifests.deployment("web", 2)), call())

    assert applied["spec"]["replicas"] == 2
    assert methods_of(cluster)[:4] == ["GET", "POST", "GET", "PATCH"]


async def test_a_creation_that_may_have_happened_never_ends_as_not_attempted(provider, cluster):
    cluster.faults.add(method="POST", disconnect="after", times=1)
    cluster.faults.add(method="GET", path="/deployments/web$", times=1)
    cluster.faults.add(status=429, headers={"retry-after": "60"}, times=None)

    with pytest.raises(Fault, match="may have had an effect") as raised:
        await provider.apply_controller(controller(manifests.deployment()), Call.within(50))

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_call_rejected_from_the_start_ends_as_not_attempted(provider, cluster):
    cluster.faults.overload(times=None)
    until_rejected_twice = Ending(lambda: len(cluster.calls) >= 2)

    with pytest.raises(Fault) as raised:
        await provider.apply_controller(controller(manifests.deployment()), until_rejected_twice)

    assert raised.value.code is Code.PLATFORM_LIMITING


async def test_an_apply_waits_for_the_end_of_a_deletion(provider, cluster):
    cluster.add_deployment("web")
    found = cluster.touch("deployments.apps", "web")
    deleting = found | {
        "metadata": found["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    }
    cluster.faults.add(method="GET", path="/deployments/web$", status=200, body=deleting, times=2)
    cluster.remove("deployments.apps", "web")

    applied = await provider.apply_controller(controller(manifests.deployment()), ample())

    assert applied["metadata"]["uid"] != found["metadata"]["uid"]


async def test_an_endless_deletion_is_a_conflict_that_names_the_finalizers(provider, cluster):
    cluster.add_deployment("web")
    found = cluster.touch("deployments.apps", "web")
    metadata = found["metadata"] | {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["example.com/wait"],
    }
    cluster.faults.add(method="GET", status=200, body=found | {"metadata": metadata}, times=None)
    until_read_twice = Ending(lambda: cluster.calls.count("GET") >= 2)

    with pytest.raises(Fault, match=r"being deleted .* example.com/wait") as raised:
        await provider.apply_controller(controller(manifests.deployment()), until_read_twice)

    assert raised.value.code is Code.CONFLICT


async def test_a_service_of_another_writer_is_updated_and_keeps_its_other_fields(
    provider, cluster, call
):
    cluster.add_service("web", labels={"old": "1"}, selector={"app": "old"}, ports=[{"port": 80}])
    cluster.touch("services", "web", **{"cloud.example/balancer": "lb-1"})
    address = cluster.read("services", "web")["spec"]["clusterIP"]

    applied = await provider.apply_service(service(manifests.service("web", 3042)), call())

    assert [port["port"] for port in applied["spec"]["ports"]] == [3042]
    assert applied["spec"]["selector"] == {"app.kubernetes.io/instance": "web"}
    assert applied["spec"]["clusterIP"] == address
    assert applied["metadata"]["labels"] == {"app.kubernetes.io/instance": "web", "old": "1"}
    assert applied["metadata"]["annotations"]["cloud.example/balancer"] == "lb-1"


async def test_changes_by_other_writers_between_two_applies_are_kept(provider, cluster, call):
    balanced = manifests.service("lb", 80)
    balanced["spec"]["type"] = "LoadBalancer"
    await provider.apply_service(service(balanced), call())
    await provider.apply_controller(controller(manifests.deployment("web", 2)), call())
    given = {"loadBalancerIP": "192.0.2.7", "externalIPs": ["192.0.2.9"]}
    outside.patch(cluster, "services", "lb", {"spec": given}, by="ip-allocator")
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-01-02T00:00:00Z"}
    template = {"template": {"metadata": {"annotations": restarted}}}
    outside.patch(cluster, "deployments.apps", "web", {"spec": template}, by="kubectl-rollout")
    generation = cluster.read("deployments.apps", "web")["metadata"]["generation"]
    ports = cluster.read("services", "lb")["spec"]["ports"]

    applied = await provider.apply_service(service(balanced), call())
    again = await provider.apply_controller(controller(manifests.deployment("web", 2)), call())

    assert {key: applied["spec"][key] for key in given} == given
    assert applied["spec"]["ports"] == ports, "node ports are kept"
    assert again["spec"]["template"]["metadata"]["annotations"] == restarted
    assert again["metadata"]["generation"] == generation, "no roll-out is started"


async def test_an_applied_field_is_removed_if_the_manifest_drops_it(provider, cluster, call):
    manifest = manifests.deployment("web", 2)
    manifest["metadata"]["labels"] = {"app.kubernetes.io/instance": "web", "ours": "1"}
    manifest["spec"]["template"]["metadata"]["annotations"] = {"ours": "1"}
    await provider.apply_controller(controller(manifest), call())

    applied = await provider.apply_controller(controller(manifests.deployment("web")), call())

    assert applied["metadata"]["labels"] == {"app.kubernetes.io/instance": "web"}
    assert not applied["spec"]["template"]["metadata"].get("annotations")


async def test_applying_the_same_manifest_twice_starts_no_roll_out(provider, cluster, call):
    first = await provider.apply_controller(controller(manifests.deployment("web", 2)), call())
    cluster.read_all("pods")

    again = await provider.apply_controller(controller(manifests.deployment("web", 2)), call())

    assert again["metadata"]["generation"] == first["metadata"]["generation"]
    assert len(cluster.read_all("replicasets.apps")) == 1


async def test_values_of_environment_variables_are_not_returned(provider, cluster, call):
    manifest = manifests.deployment("web")
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "PASSWORD", "value": "canary-4711"}]

    created = await provider.apply_controller(controller(manifest), call())
    updated = await provider.apply_controller(controller(manifest), call())

    stored = cluster.read("deployments.apps", "web")
    assert "canary-4711" in str(stored)
    assert "canary-4711" not in str(created) + str(updated)
    assert "PASSWORD" in str(created)


async def test_an_object_quoted_by_the_platform_is_not_shown(provider, cluster, call):
    manifest = manifests.deployment("web")
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "PASSWORD", "value": "canary-4711"}]
    await provider.apply_controller(controller(manifest), call())
    manifest["spec"]["replicas"] = "two"

    with pytest.raises(Fault, match="an object, not shown") as raised:
        await provider.apply_controller(controller(manifest), call())

    assert raised.value.code is Code.PLATFORM_INVALID
    assert "spec.replicas" in raised.value.message
    assert "canary-4711" not in raised.value.message


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (manifests.deployment(kind="DaemonSet"), "manifest.kind: expected Deployment or StatefulS"),
        (manifests.deployment(kind=None), "manifest.kind: expected Deployment or StatefulSet"),
        (manifests.deployment(apiVersion="v1"), "manifest.apiVersion: expected apps/v1 for kind D"),
        (manifests.deployment(metadata=None), "manifest.metadata: expected an object, got None"),
        (manifests.deployment(spec=[]), "manifest.spec: expected an object, got a list"),
        (
            manifests.deployment(metadata={"name": "web", "namespace": "other"}),
            "manifest.metadata.namespace: expected default, the scope of the request, got 'other'",
        ),
        (manifests.deployment("a/b"), "manifest.metadata.name: expected a Kubernetes name"),
    ],
)
async def test_a_manifest_that_contradicts_its_request_is_invalid_and_sends_nothing(
    provider, cluster, call, manifest, expected
):
    with pytest.raises(Fault) as raised:
        await provider.apply_controller(controller(manifest), call())

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert len(cluster.calls) == 0


@pytest.mark.parametrize("name", ["app-1.2.3", "a" * 64])
async def test_an_invalid_service_name_is_refused(provider, cluster, call, name):
    with pytest.raises(Fault, match="a name that a Service can have") as raised:
        await provider.apply_service(service(manifests.service(name)), call())

    assert raised.value.code is Code.INVALID
    assert len(cluster.calls) == 0


async def test_a_manifest_may_have_the_servers_metadata(provider, cluster, call):
    manifest = manifests.deployment("web", 1)
    await provider.apply_controller(controller(manifest), call())
    stored = cluster.read("deployments.apps", "web")
    read_back = {"apiVersion": "apps/v1", "kind": "Deployment", **stored}
    cluster.touch("deployments.apps", "web")

    await provider.apply_controller(controller(read_back), call())


async def test_the_platforms_reason_for_refusing_a_manifest_is_returned(provider, cluster, call):
    manifest = manifests.deployment("web")
    manifest["spec"]["selector"] = {"matchLabels": {"app": "other"}}

    with pytest.raises(Fault, match="`selector` does not match template `labels`") as raised:
        await provider.apply_controller(controller(manifest), call())

    assert raised.value.code is Code.PLATFORM_INVALID


async def test_a_missing_namespace_is_not_found(provider, cluster, call):
    with pytest.raises(Fault, match='namespaces "nope" not found') as raised:
        await provider.apply_service(api.ApplyService("nope", manifests.service()), call())

    assert raised.value.code is Code.NOT_FOUND
