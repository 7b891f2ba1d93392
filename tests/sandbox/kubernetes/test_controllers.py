"""Workloads: their pods, scaling, and the deletion of dependents."""

from typing import Any

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.sandbox.kubernetes.conftest import until

APPS = "/apis/apps/v1/namespaces/default"
PODS = "/api/v1/namespaces/default/pods"
MERGE = {"content-type": "application/merge-patch+json"}
WORKLOADS = {
    "deployments": f"{APPS}/deployments/w",
    "statefulsets": f"{APPS}/statefulsets/w",
    "replicasets": f"{APPS}/replicasets/w",
    "replicationcontrollers": "/api/v1/namespaces/default/replicationcontrollers/w",
}


def add(sandbox: KubernetesSandbox, plural: str, **more: Any) -> None:
    methods = {
        "deployments": sandbox.add_deployment,
        "statefulsets": sandbox.add_stateful_set,
        "replicasets": sandbox.add_replica_set,
        "replicationcontrollers": sandbox.add_replication_controller,
    }
    methods[plural]("w", **more)


def status(sandbox: KubernetesSandbox, name: str = "w") -> dict[str, Any]:
    found = sandbox.read("deployments.apps", name)
    assert found is not None
    return dict(found["status"])


async def count(api: httpx.AsyncClient, app: str = "w") -> int:
    pods = await api.get(PODS, params={"labelSelector": f"app={app}"})
    return len(pods.json()["items"])


@pytest.mark.parametrize("plural", WORKLOADS)
async def test_scaling_changes_the_pods_at_once(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient, plural: str
) -> None:
    """The status in the answer to a PATCH of the scale has the former number of replicas."""
    add(sandbox, plural, replicas=2)
    up = await api.patch(
        f"{WORKLOADS[plural]}/scale", json={"spec": {"replicas": 5}}, headers=MERGE
    )
    many = await count(api)
    down = await api.patch(
        f"{WORKLOADS[plural]}/scale", json={"spec": {"replicas": 0}}, headers=MERGE
    )

    assert (up.json()["spec"], up.json()["status"]["replicas"]) == ({"replicas": 5}, 2)
    assert many == 5
    assert (down.json()["spec"], down.json()["status"]["replicas"]) == ({}, 5)
    assert await count(api) == 0
    assert (await api.get(f"{WORKLOADS[plural]}/scale")).json()["status"]["replicas"] == 0


@pytest.mark.parametrize("replicas", [-1, "3", 1.5, 2**31])
async def test_an_invalid_number_of_replicas_is_refused(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient, replicas: Any
) -> None:
    path = f"{APPS}/deployments/hello/scale"
    answer = await api.patch(path, json={"spec": {"replicas": replicas}}, headers=MERGE)

    assert answer.status_code == 422
    assert await count(api, "hello") == 2


async def test_a_deployment_keeps_its_size_when_re_applied_without_replicas_by_patch(
    api: httpx.AsyncClient,
) -> None:
    patch = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    await api.patch(f"{APPS}/deployments/hello", json=patch, headers=MERGE)
    sets = (await api.get(f"{APPS}/replicasets?labelSelector=app=hello")).json()["items"]

    assert await count(api, "hello") == 2
    assert sorted(s["spec"]["replicas"] for s in sets) == [0, 2]


async def test_pods_become_ready_after_the_time_that_was_set() -> None:
    async with KubernetesSandbox(seed=False, ready_after=0.2) as sandbox:
        sandbox.add_deployment("w", replicas=2)
        before = status(sandbox)
        await until(lambda: status(sandbox).get("readyReplicas") == 2)

        assert before["unavailableReplicas"] == 2


async def test_a_scheduled_pod_stays_terminating_until_its_end_is_confirmed() -> None:
    async with (
        KubernetesSandbox(terminate_after=None) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust()) as client,
    ):
        client.headers["authorization"] = f"Bearer {sandbox.token}"
        sandbox.add_pod("p")
        deleted = (await client.delete(f"{PODS}/p")).json()
        still = (await client.get(f"{PODS}/p")).json()
        forced = await client.delete(f"{PODS}/p", params={"gracePeriodSeconds": 0})

        assert deleted["metadata"]["deletionGracePeriodSeconds"] == 30
        assert still["metadata"]["deletionTimestamp"]
        assert still["status"]["phase"] == "Running"
        assert forced.status_code == 200
        assert (await client.get(f"{PODS}/p")).status_code == 404


async def test_a_deleted_pod_is_replaced(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    before = {pod["metadata"]["name"] for pod in sandbox.read_all("pods")}
    await api.delete(f"{PODS}/{sorted(before)[0]}")
    after = {pod["metadata"]["name"] for pod in sandbox.read_all("pods")}

    assert len(after) == 3
    assert len(after - before) == 1


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_deleting_a_deployment_deletes_its_pods(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient, policy: str
) -> None:
    await api.delete(f"{APPS}/deployments/hello", params={"propagationPolicy": policy})

    assert sandbox.read("deployments.apps", "hello") is None
    assert sandbox.read_all("replicasets.apps") == []
    assert await count(api, "hello") == 0


async def test_orphaned_pods_stay_without_an_owner(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    await api.delete(f"{APPS}/deployments/hello", params={"propagationPolicy": "Orphan"})
    left = sandbox.read_all("replicasets.apps")

    assert [s["metadata"].get("ownerReferences") for s in left] == [None]
    assert await count(api, "hello") == 2


async def test_a_replication_controller_orphans_its_pods_by_default(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    sandbox.add_replication_controller("w", replicas=2)
    await api.delete(WORKLOADS["replicationcontrollers"])

    assert await count(api) == 2


async def test_a_pod_whose_labels_leave_the_selector_is_released_and_replaced(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    pod = sandbox.read_all("pods")[0]["metadata"]["name"]
    patch = {"metadata": {"labels": {"app": "other"}}}
    await api.patch(f"{PODS}/{pod}", json=patch, headers=MERGE)
    released = sandbox.read("pods", pod)

    assert released is not None
    assert "ownerReferences" not in released["metadata"]
    assert await count(api, "hello") == 2


async def test_a_deployment_adopts_replica_sets_without_an_owner_that_its_selector_fits(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    [orphan] = sandbox.read_all("replicasets.apps")
    manifest = (await api.get(f"{APPS}/deployments/hello")).json()
    pods = [pod["metadata"]["name"] for pod in sandbox.read_all("pods")]
    await api.delete(f"{APPS}/deployments/hello", params={"propagationPolicy": "Orphan"})
    manifest["metadata"] = {"name": "again"}

    again = await api.post(f"{APPS}/deployments", json=manifest)

    [adopted] = sandbox.read_all("replicasets.apps")
    [owner] = adopted["metadata"]["ownerReferences"]
    assert adopted["metadata"]["uid"] == orphan["metadata"]["uid"]
    assert (owner["uid"], owner["controller"]) == (again.json()["metadata"]["uid"], True)
    assert [pod["metadata"]["name"] for pod in sandbox.read_all("pods")] == pods


async def test_a_new_replica_set_without_an_owner_is_adopted(
    sandbox: KubernetesSandbox,
) -> None:
    labels = sandbox.read("deployments.apps", "hello")["spec"]["selector"]["matchLabels"]  # type: ignore[index]
    sandbox.add_replica_set("stray", labels=labels, selector={"matchLabels": labels})
    sandbox.add_replica_set("other")

    owned = {
        each["metadata"]["name"]: "ownerReferences" in each["metadata"]
        for each in sandbox.read_all("replicasets.apps")
    }

    assert (owned["stray"], owned["other"]) == (True, False)


async def test_without_controllers_a_namespace_ends_when_its_finalizers_are_replaced() -> None:
    namespace = "/api/v1/namespaces/default2"
    deployments = "/apis/apps/v1/namespaces/default2/deployments"
    async with (
        KubernetesSandbox(alone=True) as sandbox,
        httpx.AsyncClient(
            base_url=sandbox.url,
            verify=sandbox.trust(),
            headers={"authorization": f"Bearer {sandbox.token}"},
        ) as api,
    ):
        sandbox.add_namespace("default2")
        sandbox.add_deployment("w", "default2")
        deployment = (await api.get(f"{deployments}/w")).json()
        pods = (await api.get(f"{namespace}/pods")).json()["items"]
        await api.delete(f"{deployments}/w")
        ending = (await api.delete(namespace)).json()
        other = await api.patch(f"{namespace}/finalize", json={}, headers=MERGE)
        ended = await api.put(f"{namespace}/finalize", json=ending | {"spec": {}})
        after = await api.get(namespace)

    assert "observedGeneration" not in deployment["status"]
    assert pods == []
    assert (ending["status"]["phase"], ending["spec"]) == (
        "Terminating",
        {"finalizers": ["kubernetes"]},
    )
    assert (other.status_code, ended.status_code, after.status_code) == (405, 200, 404)
