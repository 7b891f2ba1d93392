"""Single objects: read, create, replace, patch and delete."""

from typing import Any

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"content-type": "application/json-patch+json"}


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_the_seeded_application_is_running(api: httpx.AsyncClient) -> None:
    pods = (await api.get(PODS)).json()["items"]
    hello = (await api.get(f"{DEPLOYMENTS}/hello")).json()

    assert [pod["metadata"]["labels"]["app"] for pod in pods] == ["hello", "hello", "store"]
    for pod in pods:
        conditions = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
        assert (pod["status"]["phase"], conditions["Ready"]) == ("Running", "True")
        assert "@sha256:" in pod["status"]["containerStatuses"][0]["imageID"]
        assert pod["spec"]["containers"][0]["resources"]["limits"]
    assert hello["status"]["readyReplicas"] == 2
    assert hello["metadata"]["labels"]["plt.dev/version"] == "1.4.0"


async def test_owners_lead_from_a_pod_to_its_deployment(api: httpx.AsyncClient) -> None:
    pod = (await api.get(PODS)).json()["items"][0]
    owner = pod["metadata"]["ownerReferences"][0]
    replica_set = await api.get(f"/apis/apps/v1/namespaces/default/replicasets/{owner['name']}")

    assert replica_set.json()["metadata"]["uid"] == owner["uid"]
    assert replica_set.json()["metadata"]["ownerReferences"][0]["name"] == "hello"


async def test_the_status_for_an_absent_object_names_the_object(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{DEPLOYMENTS}/nope")

    assert answer.status_code == 404
    assert answer.json()["reason"] == "NotFound"
    assert answer.json()["message"] == 'deployments.apps "nope" not found'
    assert answer.json()["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


async def test_creating_twice_is_a_conflict(api: httpx.AsyncClient) -> None:
    first = await api.post(MAPS, json=config_map("m", a="1"))
    second = await api.post(MAPS, json=config_map("m", a="2"))

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["reason"] == "AlreadyExists"


async def test_a_stale_resource_version_is_a_conflict(
    api: httpx.AsyncClient, sandbox: KubernetesSandbox
) -> None:
    read = (await api.get(f"{DEPLOYMENTS}/hello")).json()
    sandbox.touch("deployments.apps", "hello")
    answer = await api.put(f"{DEPLOYMENTS}/hello", json=read)

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")


async def test_a_put_without_a_version_overwrites_but_not_a_custom_resource(
    api: httpx.AsyncClient,
) -> None:
    routes = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r"},
        "spec": {"parentRefs": [{"name": "public"}]},
    }
    await api.post(MAPS, json=config_map("m", a="1"))
    await api.post(routes, json=route)

    assert (await api.put(f"{MAPS}/m", json=config_map("m", a="2"))).status_code == 200
    assert (await api.put(f"{routes}/r", json=route)).status_code == 422


async def test_equal_content_keeps_the_resource_version(api: httpx.AsyncClient) -> None:
    first = (await api.post(MAPS, json=config_map("m", a="1"))).json()
    again = (await api.put(f"{MAPS}/m", json=config_map("m", a="1"))).json()

    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_strategic_patch_merges_containers_by_name(api: httpx.AsyncClient) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "new:2"}]}}}}
    answer = await api.patch(f"{DEPLOYMENTS}/hello", json=patch, headers=STRATEGIC)
    container = answer.json()["spec"]["template"]["spec"]["containers"][0]

    assert container["image"] == "new:2"
    assert container["ports"][0]["containerPort"] == 3042


async def test_a_merge_patch_with_null_removes_a_label(
    api: httpx.AsyncClient, sandbox: KubernetesSandbox
) -> None:
    sandbox.add_pod("p", labels={"a": "1", "b": "2"})
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}}
    answer = await api.patch(f"{PODS}/p", json=patch, headers=MERGE)

    assert answer.json()["metadata"]["labels"] == {"b": "2", "c": "3"}


async def test_a_failed_json_patch_test_changes_nothing(api: httpx.AsyncClient) -> None:
    patch = [
        {"op": "replace", "path": "/spec/replicas", "value": 9},
        {"op": "test", "path": "/spec/paused", "value": True},
    ]
    answer = await api.patch(f"{DEPLOYMENTS}/hello", json=patch, headers=JSON_PATCH)
    after = (await api.get(f"{DEPLOYMENTS}/hello")).json()

    assert (answer.status_code, after["spec"]["replicas"]) == (422, 2)


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", ""])
async def test_a_patch_needs_a_patch_media_type(api: httpx.AsyncClient, media_type: str) -> None:
    headers = {"content-type": media_type}
    answer = await api.patch(f"{DEPLOYMENTS}/hello", content=b"{}", headers=headers)

    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")


async def test_invalid_objects_are_refused_with_causes(api: httpx.AsyncClient) -> None:
    bad = {"metadata": {"name": "Bad_Name"}, "spec": {"replicas": -1}}
    answer = await api.post(DEPLOYMENTS, json=bad)
    fields = {cause["field"] for cause in answer.json()["details"]["causes"]}

    assert answer.status_code == 422
    assert {"metadata.name", "spec.replicas", "spec.selector"} <= fields


async def test_a_service_name_must_not_contain_dots(api: httpx.AsyncClient) -> None:
    service = {"metadata": {"name": "app-1.2.3"}, "spec": {"ports": [{"port": 80}]}}
    answer = await api.post("/api/v1/namespaces/default/services", json=service)

    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_service_gets_an_address_and_keeps_it(api: httpx.AsyncClient) -> None:
    services = "/api/v1/namespaces/default/services"
    spec = {"selector": {"app": "x"}, "ports": [{"port": 80}]}
    created = (await api.post(services, json={"metadata": {"name": "s"}, "spec": spec})).json()
    again = {"metadata": {"name": "s"}, "spec": {**spec, "selector": {"app": "y"}}}
    updated = (await api.put(f"{services}/s", json=again)).json()
    moved = {"spec": {"clusterIP": "10.96.200.200"}}
    refused = await api.patch(f"{services}/s", json=moved, headers=MERGE)

    assert created["spec"]["clusterIP"].startswith("10.96.")
    assert updated["spec"]["clusterIP"] == created["spec"]["clusterIP"]
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{MAPS}/..%2F..%2Fkube-system%2Fpods", 404),
        (f"{DEPLOYMENTS}/hello%2Fscale", 200),
        ("/api/v1/namespaces/default%2Fpods", 200),
        (f"{PODS}/%2E%2E", 400),
    ],
)
async def test_an_encoded_slash_is_a_slash(api: httpx.AsyncClient, path: str, status: int) -> None:
    assert (await api.get(path)).status_code == status


async def test_secrets_are_deleted_with_a_status_and_services_with_themselves(
    api: httpx.AsyncClient,
) -> None:
    secrets = "/api/v1/namespaces/default/secrets"
    await api.post(secrets, json={"metadata": {"name": "s"}, "stringData": {"a": "hello"}})
    read = (await api.get(f"{secrets}/s")).json()
    secret = (await api.delete(f"{secrets}/s")).json()
    service = (await api.delete("/api/v1/namespaces/default/services/hello")).json()

    assert (read["data"], read["type"]) == ({"a": "aGVsbG8="}, "Opaque")
    assert (secret["kind"], secret["status"]) == ("Status", "Success")
    assert service["kind"] == "Service"


async def test_finalizers_hold_an_object_until_they_are_removed(
    api: httpx.AsyncClient,
) -> None:
    held = config_map("m")
    held["metadata"]["finalizers"] = ["example.com/x"]
    await api.post(MAPS, json=held)
    marked = (await api.delete(f"{MAPS}/m")).json()
    released = {"metadata": {"finalizers": None}}

    assert "deletionTimestamp" in marked["metadata"]
    assert (await api.get(f"{MAPS}/m")).status_code == 200
    assert (await api.patch(f"{MAPS}/m", json=released, headers=MERGE)).status_code == 200
    assert (await api.get(f"{MAPS}/m")).status_code == 404


async def test_nothing_is_created_in_an_absent_namespace(api: httpx.AsyncClient) -> None:
    created = await api.post("/api/v1/namespaces/nope/configmaps", json=config_map("m"))
    listed = await api.get("/api/v1/namespaces/nope/pods")

    assert (created.status_code, created.json()["details"]["kind"]) == (404, "namespaces")
    assert (listed.status_code, listed.json()["items"]) == (200, [])


async def test_a_dry_run_changes_nothing(api: httpx.AsyncClient) -> None:
    created = await api.post(f"{MAPS}?dryRun=All", json=config_map("m"))

    assert created.status_code == 201
    assert (await api.get(f"{MAPS}/m")).status_code == 404


async def test_without_the_gateway_api_its_group_is_a_plain_404() -> None:
    async with (
        KubernetesSandbox(gateway=False) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust()) as client,
    ):
        path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways"
        answer = await client.get(path, headers={"authorization": f"Bearer {sandbox.token}"})

    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["content-type"].startswith("text/plain")
