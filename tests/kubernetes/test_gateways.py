"""The choice of the Gateway and of the backend port for a route plan."""

from typing import Any

import msgspec
import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.examples import plan
from tests.kubernetes.restricted import restricted
from worker.providers import k8s
from worker.providers.k8s.objects import ServicePort
from worker.providers.k8s.routes import gateways

Json = dict[str, Any]
SHARED = {"PLT_K8S_GATEWAYS": "infra/public, infra/private"}


def listener(hostname: str | None = None, protocol: str = "HTTP", **allowed: Any) -> Json:
    found = {"name": f"l{hash(hostname)}", "protocol": protocol, "port": 80}
    if hostname:
        found["hostname"] = hostname
    return found | ({"allowedRoutes": allowed} if allowed else {})


def everywhere(hostname: str | None = None) -> Json:
    return listener(hostname, namespaces={"from": "All"})


def selected(**selector: Any) -> Json:
    return listener(namespaces={"from": "Selector", "selector": selector})


def operation(**more: Any) -> api.ApplyRoutePlan:
    return api.ApplyRoutePlan("default", plan("shop", **more))


@pytest.fixture
def served(cluster):
    """A cluster with the backend of the plan and a namespace for shared Gateways.

    A worker may read these Gateways, for which rbac.yaml wants another Role.
    """
    cluster.add_namespace("infra")
    cluster.allow_worker(("get", "gateways.gateway.networking.k8s.io", "infra"))
    cluster.add_service("shop-v2", ports=[{"port": 80}])
    return cluster


def parent_of(cluster: KubernetesSandbox) -> tuple[str, str]:
    found = cluster.read("httproutes.gateway.networking.k8s.io", "shop")
    assert found is not None
    [parent] = found["spec"]["parentRefs"]
    return parent["namespace"], parent["name"]


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("shop.example", "exact"),
        ("Shop.Example", "exact"),
        ("other.shop.example", "wide"),
        ("api.example", "wider"),
        ("elsewhere.test", "any"),
    ],
)
async def test_a_plan_attaches_to_the_gateway_with_the_best_hostname_match(
    provider, served, call, hostname, expected
):
    hosts = {"a-tcp": None, "any": None, "wider": "*.example", "wide": "*.shop.example"}
    for name, host in (hosts | {"exact": "shop.example", "z": "shop.test"}).items():
        protocol = "TCP" if name == "a-tcp" else "HTTP"
        served.add_gateway(name, listeners=[listener(host, protocol)])

    await provider.apply_route_plan(operation(hostname=hostname.lower()), call())

    assert parent_of(served) == ("default", expected)


async def test_the_second_listener_of_a_gateway_is_considered_too(provider, served, call):
    served.add_gateway("a", listeners=[listener("a.test")])
    both = [listener("b.test") | {"name": "b"}, listener("*.example", "HTTPS") | {"name": "https"}]
    served.add_gateway("b", listeners=both)

    await provider.apply_route_plan(operation(), call())

    assert parent_of(served) == ("default", "b")


async def test_the_fault_for_no_matching_listener_names_the_listeners_hostnames(
    provider, served, call
):
    served.add_gateway("public", listeners=[listener("*.other.test")])

    with pytest.raises(Fault) as raised:
        await provider.apply_route_plan(operation(), call())

    assert raised.value.code is Code.INVALID
    assert 'for the hostname "shop.example"' in raised.value.message
    assert "default/public listens for *.other.test" in raised.value.message
    assert served.calls.writes() == []


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [
        (everywhere(), True),
        (listener(), False),
        (listener(namespaces={"from": "Same"}), False),
        (listener(namespaces={"from": "None"}), False),
        (selected(matchLabels={"kubernetes.io/metadata.name": "default"}), True),
        (selected(matchLabels={"kubernetes.io/metadata.name": "other"}), False),
        (
            selected(
                matchExpressions=[
                    {
                        "key": "kubernetes.io/metadata.name",
                        "operator": "In",
                        "values": ["x", "default"],
                    }
                ]
            ),
            True,
        ),
        (selected(matchLabels={"team": "shop"}), False),
        (selected(matchExpressions=[{"key": "team", "operator": "DoesNotExist"}]), True),
        (selected(matchExpressions=[{"key": "team", "operator": "Exists"}]), False),
        (selected(matchExpressions=[{"key": "a", "operator": "NotIn", "values": ["b"]}]), True),
        (selected(), True),
        (listener(namespaces={"from": "All"}, kinds=[{"kind": "GRPCRoute"}]), False),
        (listener(namespaces={"from": "All"}, kinds=[{"kind": "HTTPRoute"}]), True),
    ],
)
async def test_a_shared_gateway_is_used_if_it_admits_the_namespace(
    served, environment, call, allowed, fits
):
    served.add_gateway("public", "infra", listeners=[allowed])

    async with k8s.open_provider(environment | SHARED) as provider:
        listed = await provider.list_gateways(api.ListGateways("default"), call())
        if fits:
            await provider.apply_route_plan(operation(), call())
            assert parent_of(served) == ("infra", "public")
        else:
            with pytest.raises(Fault, match="infra/public listens for any hostname"):
                await provider.apply_route_plan(operation(), call())

    assert [each["metadata"]["name"] for each in listed] == (["public"] if fits else [])


@pytest.mark.parametrize("may_read", [True, False])
async def test_a_listener_with_a_label_selector_is_matched_with_the_namespaces_labels(
    cluster, environment, tmp_path, call, may_read
):
    """Without the right to read the labels, the listener is the last choice."""
    cluster.add_namespace("store", team="shop")
    cluster.add_service("shop-v2", "store", ports=[{"port": 80}])
    cluster.add_gateway("a", "store", listeners=[selected(matchLabels={"team": "other"})])
    cluster.add_gateway("b", "store", listeners=[selected(matchLabels={"team": "shop"})])
    rules = [
        ("list", "gateways.gateway.networking.k8s.io", "store"),
        ("get create patch", "httproutes.gateway.networking.k8s.io", "store"),
        ("get", "services", "store"),
        *([("get", "namespaces", "store")] if may_read else []),
    ]
    variables = restricted(cluster, environment, tmp_path, *rules)

    async with k8s.open_provider(variables) as provider:
        await provider.apply_route_plan(api.ApplyRoutePlan("store", plan("shop")), call())

    found = cluster.read("httproutes.gateway.networking.k8s.io", "shop", "store")
    assert found["spec"]["parentRefs"][0]["name"] == ("b" if may_read else "a")


async def test_a_gateway_of_the_own_namespace_precedes_an_equal_shared_gateway(
    served, environment, call
):
    served.add_gateway("public", "infra", listeners=[everywhere()])
    served.add_gateway("zzz")

    async with k8s.open_provider(environment | SHARED) as provider:
        await provider.apply_route_plan(operation(), call())
        listed = await provider.list_gateways(api.ListGateways("default"), call())

    assert parent_of(served) == ("default", "zzz")
    assert [each["metadata"]["name"] for each in listed] == ["zzz", "public"]


async def test_unreadable_shared_gateways_are_named(served, environment, tmp_path, call):
    rules = ("list get", "gateways.gateway.networking.k8s.io", "default")
    limited = restricted(served, environment | SHARED, tmp_path, rules)

    for variables, expected in (
        (environment | SHARED, 'gateways.gateway.networking.k8s.io "public" not found'),
        (limited, r'resources \["gateways"\], verbs \["get"\]'),
    ):
        async with k8s.open_provider(variables) as provider:
            with pytest.raises(Fault, match=f"infra/public of PLT_K8S_GATEWAYS: .*{expected}"):
                await provider.apply_route_plan(operation(), call())


@pytest.mark.parametrize("wrong", ["public", "infra/public;infra/private", "/public", "Infra/a"])
async def test_an_invalid_gateway_name_is_a_configuration_error(environment, wrong):
    with pytest.raises(ConfigurationError, match="Gateways as namespace/name"):
        async with k8s.open_provider(environment | {"PLT_K8S_GATEWAYS": wrong}):
            pass


PORTS: list[tuple[list[Json], int]] = [
    ([{"port": 5432}], 5432),
    ([{"name": "metrics", "port": 9090}, {"name": "http", "port": 8080}], 8080),
    ([{"name": "metrics", "port": 9090}, {"name": "app", "port": 3042}], 3042),
    ([{"name": "http-metrics", "port": 9090}, {"name": "http-web", "port": 8080}], 8080),
    ([{"name": "grpc", "port": 1}, {"name": "main", "port": 2, "appProtocol": "http"}], 2),
    ([{"name": "https", "port": 443}, {"name": "http", "port": 80}], 80),
    ([{"name": "admin", "port": 9}, {"name": "x", "port": 8080}], 8080),
    ([{"name": "a", "port": 9}, {"name": "b", "port": 80}], 80),
    ([{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 8053}], 8053),
    (
        [
            {"name": "metrics", "port": 9090, "appProtocol": "http"},
            {"name": "x", "port": 3000, "appProtocol": "http"},
        ],
        3000,
    ),
    ([{"name": "http", "port": 80, "appProtocol": "https"}, {"name": "x", "port": 3000}], 3000),
    ([{"name": "one", "port": 1}, {"name": "two", "port": 2}], 1),
]


@pytest.mark.parametrize(("ports", "expected"), PORTS, ids=range(len(PORTS)))
def test_the_http_port_is_chosen(ports, expected):
    found = gateways.http_port(msgspec.convert(ports, list[ServicePort]))

    assert found is not None
    assert found.port == expected


async def test_a_route_sends_requests_to_the_http_port_of_the_service(provider, cluster, call):
    cluster.add_gateway("public")
    ports = [{"name": "metrics", "port": 9090}, {"name": "http", "port": 8080}]
    cluster.add_service("shop-v2", ports=ports)

    await provider.apply_route_plan(operation(), call())

    found = cluster.read("httproutes.gateway.networking.k8s.io", "shop")
    assert found["spec"]["rules"][0]["backendRefs"][0]["port"] == 8080


async def test_a_service_without_a_tcp_port_is_an_invalid_backend(provider, cluster, call):
    cluster.add_gateway("public")
    cluster.add_service("shop-v2", ports=[{"port": 53, "protocol": "UDP"}])

    with pytest.raises(Fault, match="no TCP port") as raised:
        await provider.apply_route_plan(operation(), call())

    assert raised.value.code is Code.INVALID
