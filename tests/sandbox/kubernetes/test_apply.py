"""Server-side apply: creation, ownership, conflicts and replicas."""

from typing import Any

import httpx

MAPS = "/api/v1/namespaces/default/configmaps/m"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/d"
APPLY = {"content-type": "application/apply-patch+yaml"}
MERGE = {"content-type": "application/merge-patch+json"}


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


def deployment(**spec: Any) -> dict[str, Any]:
    labels = {"app": "d"}
    container = {"name": "c", "image": "x:1", "ports": [{"containerPort": 80}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            **spec,
        },
    }


async def apply(
    api: httpx.AsyncClient, path: str, obj: dict[str, Any], manager: str = "one", **more: str
) -> httpx.Response:
    parameters = {"fieldManager": manager, **more}
    return await api.patch(path, json=obj, params=parameters, headers=APPLY)


async def test_applying_creates_then_updates_then_changes_nothing(api: httpx.AsyncClient) -> None:
    created = await apply(api, MAPS, config_map(a="1"))
    updated = await apply(api, MAPS, config_map(a="2"))
    again = await apply(api, MAPS, config_map(a="2"))
    versions = [r.json()["metadata"]["resourceVersion"] for r in (created, updated, again)]

    assert [r.status_code for r in (created, updated, again)] == [201, 200, 200]
    assert versions[0] != versions[1] == versions[2]


async def test_a_field_of_another_manager_is_a_conflict_unless_forced(
    api: httpx.AsyncClient,
) -> None:
    await apply(api, MAPS, config_map(a="1"))
    refused = await apply(api, MAPS, config_map(a="2"), "two")
    forced = await apply(api, MAPS, config_map(a="2"), "two", force="true")

    assert refused.status_code == 409
    assert refused.json()["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]
    assert forced.json()["data"] == {"a": "2"}


async def test_a_field_that_is_no_longer_applied_is_removed(api: httpx.AsyncClient) -> None:
    await apply(api, MAPS, config_map(a="1", b="2"))
    await apply(api, MAPS, config_map(c="3"), "two")
    after = await apply(api, MAPS, config_map(a="1"))

    assert after.json()["data"] == {"a": "1", "c": "3"}


async def test_applying_needs_a_manager(api: httpx.AsyncClient) -> None:
    answer = await api.patch(MAPS, json=config_map(), headers=APPLY)

    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "fieldManager"


async def test_replicas_of_a_scaler_survive_an_apply_that_names_none(
    api: httpx.AsyncClient,
) -> None:
    await apply(api, DEPLOYMENT, deployment())
    await api.patch(f"{DEPLOYMENT}/scale", json={"spec": {"replicas": 4}}, headers=MERGE)
    again = await apply(api, DEPLOYMENT, deployment())
    conflict = await apply(api, DEPLOYMENT, deployment(replicas=2))

    assert again.json()["spec"]["replicas"] == 4
    assert conflict.status_code == 409
    assert 'with subresource "scale"' in conflict.json()["message"]


async def test_replicas_that_are_no_longer_applied_default_to_one(
    api: httpx.AsyncClient,
) -> None:
    await apply(api, DEPLOYMENT, deployment(replicas=3))
    again = await apply(api, DEPLOYMENT, deployment())

    assert again.json()["spec"]["replicas"] == 1


async def test_an_applied_object_can_be_yaml(api: httpx.AsyncClient) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  a: yaml\n"
    answer = await api.patch(f"{MAPS}?fieldManager=one", content=text, headers=APPLY)

    assert answer.json()["data"] == {"a": "yaml"}


async def test_list_items_that_are_no_longer_applied_are_removed(api: httpx.AsyncClient) -> None:
    two = deployment()
    two["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "y:1"})
    await apply(api, DEPLOYMENT, two)
    after = (await apply(api, DEPLOYMENT, deployment())).json()

    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["c"]


async def test_an_omitted_string_data_key_keeps_its_data(api: httpx.AsyncClient) -> None:
    """Only the keys of `data` have owners, so omitting a key of `stringData` removes nothing."""
    path = "/api/v1/namespaces/default/secrets/s"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    await apply(api, path, {**secret, "stringData": {"a": "1", "b": "2"}})
    text = (await apply(api, path, {**secret, "stringData": {"a": "1"}})).json()
    await apply(api, path, {**secret, "data": {"a": "MQ==", "b": "Mg=="}})
    data = (await apply(api, path, {**secret, "data": {"a": "MQ=="}})).json()

    assert set(text["data"]) == {"a", "b"}
    assert set(data["data"]) == {"a"}
