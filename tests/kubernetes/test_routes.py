"""Gateways and HTTPRoutes, with and without the Gateway API in the cluster."""

from collections.abc import AsyncIterator, Iterator

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes import manifests
from tests.kubernetes.scripted import Scripted, failure, text
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

ABSENT = [
    text("404 page not found\n", 404, "text/plain; charset=utf-8"),
    failure(404, "NotFound", "the server could not find the requested resource"),
]


@pytest.fixture(scope="module")
def plain_server() -> Iterator[KubernetesSandbox]:
    with KubernetesSandbox.in_thread(seed=False, gateway=False) as sandbox:
        yield sandbox


@pytest.fixture
async def without_gateways(plain_server: KubernetesSandbox) -> AsyncIterator[KubernetesProvider]:
    async with k8s.open_provider(plain_server.environment) as opened:
        yield opened


async def test_gateways_are_listed_as_the_platform_returns_them(provider, cluster, call):
    cluster.add_gateway("gateway")

    [found] = await provider.list_gateways(api.ListGateways("default"), call())

    assert found["metadata"]["name"] == "gateway"
    assert found["spec"]["gatewayClassName"] == "sandbox"
    assert len(cluster.calls) == 1


async def test_a_namespace_without_gateways_has_an_empty_list(provider, call):
    assert await provider.list_gateways(api.ListGateways("default"), call()) == []


async def test_a_route_is_applied_read_and_deleted(provider, cluster, call):
    applied = await provider.apply_http_route(
        api.ApplyHttpRoute("default", manifests.route("web", "v1", "v2")), call()
    )
    assert [each.method for each in cluster.calls] == ["GET", "POST"]

    found = await provider.get_http_route(api.GetHttpRoute("default", "web"), call())
    assert found == applied
    assert [rule["backendRefs"][0]["name"] for rule in found["spec"]["rules"]] == ["v1", "v2"]

    cluster.calls.clear()
    again = await provider.apply_http_route(
        api.ApplyHttpRoute("default", manifests.route("web", "v2")), call()
    )
    assert [rule["backendRefs"][0]["name"] for rule in again["spec"]["rules"]] == ["v2"]
    assert [each.method for each in cluster.calls] == ["GET", "PATCH"]

    cluster.calls.clear()
    deleted = await provider.delete_http_route(api.DeleteHttpRoute("default", "web"), call())
    assert deleted == {"name": "web", "deleted": True}
    assert len(cluster.calls) == 1


async def test_a_hostname_that_the_manifest_drops_is_removed(provider, call):
    manifest = manifests.route()
    manifest["spec"]["hostnames"] = ["web.example"]
    await provider.apply_http_route(api.ApplyHttpRoute("default", manifest), call())

    applied = await provider.apply_http_route(
        api.ApplyHttpRoute("default", manifests.route()), call()
    )

    assert "hostnames" not in applied["spec"]


@pytest.mark.parametrize("operation", [api.GetHttpRoute, api.DeleteHttpRoute])
async def test_an_absent_route_is_not_found(provider, call, operation):
    method = getattr(provider, operation.row.name)

    with pytest.raises(Fault, match='"nope" not found') as raised:
        await method(operation("default", "nope"), call())

    assert raised.value.code is Code.NOT_FOUND


async def test_a_cluster_without_the_gateway_api_has_no_gateways(without_gateways, call):
    assert await without_gateways.list_gateways(api.ListGateways("default"), call()) == []


ROUTE_OPERATIONS = [
    api.ApplyHttpRoute("default", manifests.route()),
    api.GetHttpRoute("default", "web"),
    api.DeleteHttpRoute("default", "web"),
    api.ApplyRoutePlan(
        "default",
        {
            "appName": "web",
            "rules": [
                {
                    "match": {"kind": "default"},
                    "backend": {"serviceName": "web"},
                    "versionId": "v1",
                }
            ],
        },
    ),
]


@pytest.mark.parametrize("operation", ROUTE_OPERATIONS, ids=lambda each: each.row.name)
async def test_routes_without_the_gateway_api_are_unsupported(without_gateways, call, operation):
    with pytest.raises(Fault, match=r"Gateway API .* is not installed") as raised:
        await getattr(without_gateways, operation.row.name)(operation, call())

    assert raised.value.code is Code.UNSUPPORTED


@pytest.mark.parametrize("said", ABSENT)
async def test_the_absence_of_the_gateway_api_is_recognised_in_both_forms(tmp_path, call, said):
    async with Scripted(said).client(tmp_path) as client:
        provider = KubernetesProvider(client)
        assert await provider.list_gateways(api.ListGateways("default"), call()) == []
        with pytest.raises(Fault) as raised:
            await provider.get_http_route(api.GetHttpRoute("default", "web"), call())

    assert raised.value.code is Code.UNSUPPORTED


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"kind": "Route"}, "manifest.kind: expected HTTPRoute, got 'Route'"),
        ({"apiVersion": "v1"}, "manifest.apiVersion: expected gateway.networking.k8s.io/v1"),
    ],
)
async def test_a_manifest_of_another_kind_is_invalid(provider, cluster, call, wrong, expected):
    with pytest.raises(Fault) as raised:
        await provider.apply_http_route(
            api.ApplyHttpRoute("default", manifests.route(**wrong)), call()
        )

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert len(cluster.calls) == 0
