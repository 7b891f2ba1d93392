"""The neutral route plan as an HTTPRoute."""

import asyncio
import re
import threading
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes import manifests, outside
from tests.kubernetes.scripted import Scripted, answer, failure, page
from worker.providers.k8s.provider import KubernetesProvider
from worker.providers.k8s.routes import route_plan

V6 = {"backend": {"serviceName": "orders-v6"}, "versionId": "v6"}
V7 = {"backend": {"serviceName": "orders-v7"}, "versionId": "v7"}
DEFAULT = {"match": {"kind": "default"}}


def plan(**more: Any) -> dict[str, Any]:
    return {
        "appName": "orders",
        "hostname": "orders.example",
        "generation": 12,
        "rules": [
            {"match": {"kind": "cookie", "name": "__plt_dpl", "value": "v6"}, **V6},
            {"match": {"kind": "queryParam", "name": "dpl", "value": "v6"}, **V6},
            {"match": {"kind": "header", "name": "x-deployment-id", "value": "v6"}, **V6},
            {**DEFAULT, **V7, "issueCookie": True},
        ],
    } | more


def operation(**more: Any) -> api.ApplyRoutePlan:
    return api.ApplyRoutePlan("default", plan(**more))


@pytest.fixture
def served(cluster):
    """A cluster with the Gateway and Services of the plan."""
    cluster.add_gateway("gateway")
    for version in ("orders-v6", "orders-v7"):
        cluster.add_service(
            version, ports=[{"name": "app", "port": 3042}, {"name": "m", "port": 1}]
        )
    cluster.calls.clear()
    return cluster


def route_of(cluster: KubernetesSandbox) -> dict[str, Any]:
    found = cluster.read("httproutes.gateway.networking.k8s.io", "orders")
    assert found is not None
    return found


async def test_each_rule_of_a_plan_becomes_a_rule_of_the_route(provider, served, call):
    result = await provider.apply_route_plan(operation(), call())

    assert result == {"appName": "orders", "created": 4, "deleted": 0}
    found = route_of(served)
    assert found["metadata"]["labels"] == {
        "plt.dev/managed-by": "icc",
        "plt.dev/application": "orders",
    }
    assert found["metadata"]["annotations"] == {"plt.dev/generation": "12"}
    [parent] = found["spec"]["parentRefs"]
    assert (parent["name"], parent["namespace"]) == ("gateway", "default")
    assert found["spec"]["hostnames"] == ["orders.example"]
    rules = found["spec"]["rules"]
    assert [rule["backendRefs"][0]["name"] for rule in rules] == ["orders-v6"] * 3 + ["orders-v7"]
    assert {rule["backendRefs"][0]["port"] for rule in rules} == {3042}
    cookie, query, header, default = (rule["matches"][0] for rule in rules)
    assert cookie["headers"][0]["type"] == "RegularExpression"
    assert query["queryParams"] == [{"type": "Exact", "name": "dpl", "value": "v6"}]
    assert header["headers"] == [{"type": "Exact", "name": "x-deployment-id", "value": "v6"}]
    assert default == {"path": {"type": "PathPrefix", "value": "/"}}
    assert rules[3]["filters"][1]["responseHeaderModifier"]["add"] == [
        {
            "name": "Set-Cookie",
            "value": "__plt_dpl=v7; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=43200",
        }
    ]
    assert [each.method for each in served.calls] == ["GET"] * 4 + ["POST"]


def test_a_cookie_matches_among_others_and_only_with_its_exact_value():
    given = plan(rules=[{"match": {"kind": "cookie", "name": "a.b", "value": "1.2"}, **V6}])
    built = route_plan.route(
        route_plan.read(given), "default", ("default", "gateway"), {"orders-v6": 1}
    )
    pattern = built["spec"]["rules"][0]["matches"][0]["headers"][0]["value"]

    assert re.fullmatch(pattern, "a.b=1.2")
    assert re.fullmatch(pattern, "x=1; a.b=1.2; y=2")
    assert not re.fullmatch(pattern, "a.b=112")
    assert not re.fullmatch(pattern, "a.b=1.23")


async def test_the_next_plan_replaces_the_former_plan_in_one_write(provider, served, call):
    await provider.apply_route_plan(operation(), call())
    served.calls.clear()

    result = await provider.apply_route_plan(
        operation(generation=13, rules=[{**DEFAULT, **V7}]), call()
    )

    assert result == {"appName": "orders", "created": 1, "deleted": 4}
    assert len(route_of(served)["spec"]["rules"]) == 1
    assert route_of(served)["metadata"]["annotations"]["plt.dev/generation"] == "13"
    assert len(served.calls.writes()) == 1


@pytest.mark.parametrize("newer", [{"generation": 13}, {"generation": 12}])
async def test_an_equal_or_newer_plan_is_applied(provider, served, call, newer):
    await provider.apply_route_plan(operation(), call())

    await provider.apply_route_plan(operation(**newer), call())


@pytest.mark.parametrize(
    ("applied", "stale"),
    [
        ({"generation": 12}, {"generation": 11}),
        ({"generation": 12.5}, {"generation": 12}),
        ({"generation": None, "emittedAt": 1789000000001}, {"emittedAt": 1789000000000}),
        ({"generation": 12, "emittedAt": 1}, {"generation": 11, "emittedAt": 2}),
        ({"generation": 12}, {"emittedAt": 1789000000000}),
        ({"generation": 12}, {}),
    ],
)
async def test_a_stale_plan_is_a_conflict_and_changes_nothing(
    provider, served, call, applied, stale
):
    await provider.apply_route_plan(operation(**applied), call())
    before = route_of(served)

    with pytest.raises(Fault, match="is stale") as raised:
        await provider.apply_route_plan(operation(**{"generation": None} | stale), call())

    assert raised.value.code is Code.CONFLICT
    assert route_of(served) == before


async def test_the_newest_of_concurrent_plans_remains(provider, served, call):
    async def apply(generation: int) -> None:
        rules = [{**DEFAULT, **V7, "versionId": f"v{generation}", "issueCookie": True}]
        plan = operation(generation=generation, rules=rules)
        await provider.apply_route_plan(plan, call())

    ended = await asyncio.gather(
        *(apply(generation) for generation in [5, 3, 9, 1, 8, 2, 7]), return_exceptions=True
    )

    stale = [each for each in ended if isinstance(each, BaseException)]
    assert all(isinstance(each, Fault) and each.code is Code.CONFLICT for each in stale)

    found = route_of(served)
    assert found["metadata"]["annotations"]["plt.dev/generation"] == "9"
    assert "=v9;" in str(found["spec"])


@pytest.mark.parametrize("first", [{"generation": 5}, {"generation": None}])
async def test_a_plan_that_is_overtaken_between_read_and_write_is_stale(
    provider, served, call, first
):
    await provider.apply_route_plan(operation(**first), call())
    held_up = served.faults.add(method="PATCH", delay=2, times=1)
    slow = asyncio.create_task(provider.apply_route_plan(operation(generation=6), call()))
    while not held_up.hits:  # noqa: ASYNC110  # counted in the thread of the stand-in
        await asyncio.sleep(0.005)

    await provider.apply_route_plan(operation(generation=9), call())

    with pytest.raises(Fault, match="is stale"):
        await slow
    assert route_of(served)["metadata"]["annotations"]["plt.dev/generation"] == "9"


@pytest.mark.parametrize("number", range(3))
async def test_a_concurrent_writer_of_the_route_is_not_a_conflict(provider, served, call, number):
    await provider.apply_route_plan(operation(), call())
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            served.touch("httproutes.gateway.networking.k8s.io", "orders")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        await provider.apply_route_plan(operation(generation=13 + number), call())
    finally:
        done.set()
        thread.join()

    annotations = route_of(served)["metadata"]["annotations"]
    assert annotations["plt.dev/generation"] == str(13 + number)
    assert "touched" in annotations


async def test_a_name_that_is_not_a_label_value_omits_the_label(provider, served, call):
    name = "a" * 64

    for _ in range(2):
        await provider.apply_route_plan(operation(appName=name), call())

    found = served.read("httproutes.gateway.networking.k8s.io", name)
    assert found["metadata"]["labels"] == {"plt.dev/managed-by": "icc"}


async def test_other_writers_fields_of_the_route_are_kept_and_a_former_hostname_is_removed(
    provider, served, call
):
    await provider.apply_route_plan(operation(), call())
    route = "httproutes.gateway.networking.k8s.io"
    theirs = {"spec": {"useDefaultGateways": "All"}}
    outside.patch(served, route, "orders", theirs, by="kubectl-edit")

    await provider.apply_route_plan(operation(generation=13, hostname=None), call())

    assert route_of(served)["spec"]["useDefaultGateways"] == "All"
    assert "hostnames" not in route_of(served)["spec"]


async def test_a_route_of_another_writer_is_not_changed(provider, served, call):
    manifest = manifests.route("orders", "orders-v6")
    manifest["metadata"]["labels"] = {"owner": "me"}
    await provider.apply_http_route(api.ApplyHttpRoute("default", manifest), call())

    with pytest.raises(Fault, match="a route plan does not change it") as raised:
        await provider.apply_route_plan(operation(), call())

    assert raised.value.code is Code.CONFLICT


async def test_a_route_of_the_control_plane_is_replaced_by_the_plan(provider, served, call):
    manifest = manifests.route("orders", "orders-v6")
    await provider.apply_http_route(api.ApplyHttpRoute("default", manifest), call())

    await provider.apply_route_plan(operation(), call())

    assert len(route_of(served)["spec"]["rules"]) == 4


async def test_a_route_that_the_platform_refuses_is_tried_twice(tmp_path, call):
    manifest = manifests.route("orders")
    manifest["metadata"] |= {"resourceVersion": "7", "uid": "u"}
    service = manifests.service("orders-v7")
    service["metadata"]["uid"] = "s"
    invalid = failure(422, "Invalid", "spec.hostnames[0] is wrong")
    listeners = [{"name": "http", "protocol": "HTTP", "port": 80}]
    gateways = page({"metadata": {"name": "gateway", "uid": "g"}, "spec": {"listeners": listeners}})
    server = Scripted(
        gateways, answer(service), answer(manifest), invalid, answer(manifest), invalid
    )

    async with server.client(tmp_path) as client:
        with pytest.raises(Fault, match="is wrong") as raised:
            await KubernetesProvider(client).apply_route_plan(
                operation(rules=[{**DEFAULT, **V7}]), call()
            )

    assert raised.value.code is Code.PLATFORM_INVALID
    assert len(server.requests) == 6


async def test_a_plan_without_its_gateway_or_service_is_not_applied(provider, cluster, call):
    with pytest.raises(Fault, match="no Gateway in the namespace") as raised:
        await provider.apply_route_plan(operation(), call())
    assert raised.value.code is Code.INVALID

    cluster.add_gateway("gateway")
    with pytest.raises(Fault, match=r'there is no service "orders-v\d" in') as raised:
        await provider.apply_route_plan(operation(), call())
    assert raised.value.code is Code.INVALID

    assert cluster.calls.writes() == []


WRONG = [
    ({"appName": "a/b"}, "plan.appName: expected a Kubernetes name"),
    ({"rules": []}, "plan.rules: "),
    (
        {
            "rules": [
                {"match": {"kind": "header", "name": "x", "value": str(number)}, **V6}
                for number in range(17)
            ]
        },
        "plan.rules: expected at most 16, as many as an HTTPRoute can have, got 17",
    ),
    ({"rules": [{**DEFAULT}]}, "plan.rules[0]: Object missing required field `backend`"),
    ({"rules": [{"match": {"kind": "header"}, **V6}]}, "plan.rules[0].match: expected a name and"),
    ({"rules": [{"match": {"kind": "path"}, **V6}]}, "plan.rules[0].match.kind: "),
    ({"rules": [{**DEFAULT, **V6, "versionId": "v; x"}]}, "plan.rules[0].versionId: "),
    (
        {"rules": [{**DEFAULT, "versionId": "v", "backend": {"serviceName": "a.b"}}]},
        "plan.rules[0].backend.serviceName: expected a name that a Service can have",
    ),
    ({"generation": "12"}, "plan.generation: "),
]


@pytest.mark.parametrize(("wrong", "expected"), WRONG, ids=range(len(WRONG)))
async def test_a_plan_that_an_http_route_cannot_express_is_invalid(
    provider, cluster, call, wrong, expected
):
    with pytest.raises(Fault) as raised:
        await provider.apply_route_plan(operation(**wrong), call())

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert len(cluster.calls) == 0


async def test_a_plan_with_a_lost_response_has_one_effect(provider, served):
    served.faults.add(method="POST", disconnect="after", times=1)

    await provider.apply_route_plan(operation(), ample())

    assert len(route_of(served)["spec"]["rules"]) == 4
