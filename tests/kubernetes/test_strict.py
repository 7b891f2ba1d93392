"""Unknown fields are an error that names them; the API server's warnings reach the caller."""

import json
from typing import Any

import httpx
import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.seal import Seals
from tests.kubernetes import manifests
from tests.kubernetes.scripted import Scripted, answer
from worker.dispatch import Dispatch
from worker.provider import Call
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.provider import KubernetesProvider

Json = dict[str, Any]


def deployment(**more: Any) -> Json:
    """Return the manifest of a Deployment with unknown fields."""
    manifest = manifests.deployment()
    manifest["spec"] |= {"replica": 5}
    manifest["spec"]["template"]["spec"]["containers"][0] |= {"envs": [{"name": "A"}]}
    return manifest | more


def labelled(manifest: Json) -> Json:
    return manifest | {"metadata": {"name": "web", "lables": {"a": "b"}}}


UNKNOWN = [
    (
        api.ApplyController("default", deployment()),
        ["spec.replica", "spec.template.spec.containers[0].envs"],
    ),
    (api.ApplyController("default", labelled(manifests.deployment())), ["metadata.lables"]),
    (api.ApplyController("default", manifests.deployment(specs={})), ["specs"]),
    (
        api.ApplyService(
            "default", manifests.service(spec={"ports": [{"port": 80}], "selectr": {}})
        ),
        ["spec.selectr"],
    ),
    (api.ApplyService("default", labelled(manifests.service())), ["metadata.lables"]),
    (
        api.ApplyHttpRoute("default", manifests.route(spec={"hostname": "a.example"})),
        ["spec.hostname"],
    ),
]


@pytest.mark.parametrize("exists", [False, True], ids=["created", "updated"])
@pytest.mark.parametrize(("operation", "fields"), UNKNOWN, ids=range(len(UNKNOWN)))
async def test_unknown_fields_are_named_and_nothing_is_stored(
    provider, cluster, call, operation, fields, exists
):
    apply = getattr(provider, operation.row.name)
    kind = operation.manifest["kind"]
    known = {
        "Deployment": manifests.deployment(),
        "Service": manifests.service(),
        "HTTPRoute": manifests.route(),
    }
    if exists:
        await apply(type(operation)("default", known[kind]), call())
    cluster.calls.clear()

    with pytest.raises(Fault) as raised:
        await apply(operation, call())

    assert raised.value.code is Code.INVALID
    for field in fields:
        assert f'unknown field "{field}"' in raised.value.message
    assert all(each.status in {400, 422} for each in cluster.calls.writes())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"datas": {}}, "datas (expected data)"),
        ({"stringdata": {}}, "stringdata (expected stringData)"),
        ({"metadata": {"name": "pull", "lables": {}}}, "metadata.lables (expected labels)"),
        ({"hunter2": "x"}, "1 unknown (not shown)"),
    ],
)
async def test_an_unknown_field_of_a_secret_is_named_if_it_resembles_a_known_one(
    provider, cluster, call, more, expected
):
    with pytest.raises(Fault) as raised:
        await provider.apply_secret(api.ApplySecret("default", manifests.secret(**more)), call())

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert "hunter2" not in raised.value.message
    assert len(cluster.calls) == 0


async def answered(client: Client, operation: Any) -> Json:
    """Return the body of the response to the caller."""
    dispatch = Dispatch("k8s", KubernetesProvider(client), Seals([b"k" * 32]))
    reply = await dispatch.perform(operation, Call.within(5))
    body: Json = json.loads(reply.body)
    return body


@pytest.mark.parametrize(
    "headers",
    [
        {"warning": '299 - "would violate \\"restricted\\"", 299 - "it is deprecated"'},
        [
            ("warning", '299 - "would violate \\"restricted\\""'),
            ("warning", '299 - "it is deprecated"'),
        ],
    ],
    ids=["one header", "two headers"],
)
async def test_warnings_of_the_api_server_reach_the_caller(tmp_path, headers):
    stored = manifests.service()
    stored["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    changed = httpx.Response(200, json=stored, headers=headers)

    async with Scripted(answer(stored), changed).client(tmp_path) as client:
        body = await answered(client, api.ApplyService("default", manifests.service()))

    assert body["warnings"] == ['would violate "restricted"', "it is deprecated"]
    assert body["kind"] == "Service"


async def test_a_response_without_warnings_has_no_warnings_member(tmp_path):
    stored = manifests.service()
    stored["metadata"] |= {"uid": "u", "resourceVersion": "7"}

    async with Scripted(answer(stored)).client(tmp_path) as client:
        body = await answered(client, api.ApplyService("default", manifests.service()))

    assert "warnings" not in body
