"""Gateways and the neutral route plan, for every provider."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Object
from tests import examples
from tests.providers.platforms import Platform
from worker.provider import Call, Port

APP = "orders"
HOST = "orders.example.org"


def rule(version: str, **match: str) -> dict[str, Any]:
    """Return a rule to a version, for matching requests or as the default."""
    return {
        "match": match or {"kind": "default"},
        "backend": {"serviceName": f"{APP}-{version}"},
        "versionId": version,
    }


def pinned(version: str) -> list[dict[str, Any]]:
    """Return the rules for a query parameter and a header that select a version."""
    return [
        rule(version, kind="queryParam", name="dpl", value=version),
        rule(version, kind="header", name="x-deployment-id", value=version),
    ]


def plan(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return examples.plan(APP, **{"hostname": HOST, "rules": list(rules), **more})


@pytest.fixture
async def apply(platform: Platform, provider: Port, call: Callable[[], Call]) -> Callable[..., Any]:
    """Return a function that applies plans, with a gateway and v6 and v7 of the application."""
    platform.gateway()
    for version in ("v6", "v7"):
        workload = examples.workload(f"{APP}-{version}")
        await provider.apply_workload(api.ApplyWorkload(platform.scope, workload), call())

    async def applied(*rules: dict[str, Any], **more: Any) -> Object:
        return await provider.apply_route_plan(
            api.ApplyRoutePlan(platform.scope, plan(*rules, **more)), call()
        )

    return applied


@pytest.fixture
def route(platform: Platform, provider: Port, call: Callable[[], Call]) -> Callable[[], Any]:
    """Return a function that reads the route of the application."""
    return lambda: provider.get_http_route(api.GetHttpRoute(platform.scope, APP), call())


def backends(route: Object) -> dict[str, str]:
    """Return the backends of a route by their header or query match, "" for the default."""
    found = {}
    for each in route["spec"]["rules"]:
        [match] = each["matches"]
        pins = [*match.get("headers", []), *match.get("queryParams", [])]
        key = " ".join(f"{pin['name']}={pin['value']}" for pin in pins)
        found[key] = each["backendRefs"][0]["name"]
    return found


async def test_a_gateway_is_listed_by_its_name(platform, provider, call):
    name = platform.gateway()

    [gateway] = await provider.list_gateways(api.ListGateways(platform.scope), call())

    assert gateway["metadata"]["name"] == name


async def test_an_applied_plan_is_read_back_as_a_route(apply, route):
    result = await apply(*pinned("v6"), rule("v7"))

    assert (result["appName"], result["created"], result["deleted"]) == (APP, 3, 0)
    found = await route()
    assert found["metadata"]["name"] == APP
    assert found["spec"]["hostnames"] == [HOST]
    assert backends(found) == {
        "": "orders-v7",
        "dpl=v6": "orders-v6",
        "x-deployment-id=v6": "orders-v6",
    }


async def test_the_next_plan_replaces_the_previous_one_completely(apply, route):
    await apply(*pinned("v6"), rule("v7"))

    await apply(rule("v6"))

    assert backends(await route()) == {"": "orders-v6"}


async def test_applying_the_same_plan_again_changes_no_rule(apply, route):
    await apply(*pinned("v6"), rule("v7"), generation=3)
    first = await route()

    again = await apply(*pinned("v6"), rule("v7"), generation=3)

    assert backends(await route()) == backends(first)
    assert again == {"appName": APP, "created": 0, "deleted": 0}


async def test_a_changed_plan_counts_all_rules_as_created_and_deleted(apply):
    await apply(*pinned("v6"), rule("v7"), generation=3)

    newer = await apply(*pinned("v6"), rule("v7"), generation=4)
    changed = await apply(rule("v6"), generation=4)

    assert newer == {"appName": APP, "created": 3, "deleted": 3}
    assert changed == {"appName": APP, "created": 1, "deleted": 3}


async def test_an_older_plan_is_a_conflict_and_changes_no_route(apply, route):
    await apply(rule("v7"), generation=3)

    with pytest.raises(Fault, match="stale") as raised:
        await apply(rule("v6"), generation=2)

    assert raised.value.code is Code.CONFLICT
    assert backends(await route()) == {"": "orders-v7"}


@pytest.mark.parametrize(
    ("applied", "late"),
    [
        ({"generation": 3}, {}),
        ({"generation": 3}, {"emittedAt": 1789000000000}),
        ({"emittedAt": 2}, {"emittedAt": 1}),
        ({"emittedAt": 2}, {}),
        ({"generation": 3, "emittedAt": 1}, {"generation": 2, "emittedAt": 2}),
    ],
)
async def test_a_plan_that_is_not_newer_is_a_conflict(apply, route, applied, late):
    await apply(rule("v7"), **applied)

    with pytest.raises(Fault, match="is stale") as raised:
        await apply(rule("v6"), **late)

    assert raised.value.code is Code.CONFLICT
    assert backends(await route()) == {"": "orders-v7"}


@pytest.mark.parametrize(
    "newer",
    [{"generation": 1}, {"emittedAt": 2}, {"emittedAt": 3}, {"generation": 1, "emittedAt": 1}],
)
async def test_a_generation_is_newer_than_any_time(apply, route, newer):
    await apply(rule("v7"), emittedAt=2)

    await apply(rule("v6"), **newer)

    assert backends(await route()) == {"": "orders-v6"}


async def test_a_route_shows_the_generation_and_time_of_its_plan(apply, route):
    await apply(rule("v7"), generation=3, emittedAt=1789000000000)

    annotations = (await route())["metadata"]["annotations"]
    assert annotations["plt.dev/generation"] == "3"
    assert annotations["plt.dev/emitted-at"] == "1789000000000"


async def test_host_names_are_case_insensitive(apply, route):
    await apply(rule("v7"), generation=1)
    same = plan(rule("v7"), generation=1)["hostname"].upper()

    again = await apply(rule("v7"), generation=1, hostname=same)

    assert again == {"appName": APP, "created": 0, "deleted": 0}
    assert (await route())["spec"]["hostnames"] == [HOST]


async def test_a_plan_for_an_absent_service_is_invalid_and_changes_no_route(apply, route):
    await apply(rule("v7"))

    with pytest.raises(Fault, match="orders-v8") as raised:
        await apply(rule("v8"))

    assert raised.value.code is Code.INVALID
    assert "plan.rules[0].backend.serviceName" in raised.value.message
    assert backends(await route()) == {"": "orders-v7"}


async def test_a_deleted_route_is_not_found(platform, provider, call, apply, route):
    await apply(*pinned("v6"), rule("v7"))

    answer = await provider.delete_http_route(api.DeleteHttpRoute(platform.scope, APP), call())

    assert answer == {"name": APP, "deleted": True}
    with pytest.raises(Fault) as raised:
        await route()
    assert raised.value.code is Code.NOT_FOUND


async def test_an_absent_route_is_not_found(platform, provider, call):
    platform.gateway()

    for attempt in (
        provider.get_http_route(api.GetHttpRoute(platform.scope, "absent"), call()),
        provider.delete_http_route(api.DeleteHttpRoute(platform.scope, "absent"), call()),
    ):
        with pytest.raises(Fault, match="absent") as raised:
            await attempt
        assert raised.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": []},
        {"appName": "a/b"},
        {"rules": [rule("v7", kind="header", name="x-version")]},
        {"rules": [rule("v7", kind="colour", name="x", value="red")]},
        {"rules": [rule("v7") | {"backend": {}}]},
        {"generation": "newest"},
        {"hostname": "a b"},
        {"hostname": "-.example.org"},
        {"hostname": "10.0.0.1"},
        {"hostname": "*"},
        {"hostname": "https://orders.example.org/"},
        {"rules": [rule("v7"), rule("v6")]},
        {"rules": [*pinned("v6"), *pinned("v6"), rule("v7")]},
    ],
)
async def test_a_malformed_plan_is_invalid(platform, provider, call, wrong):
    platform.gateway()
    before = platform.writes

    with pytest.raises(Fault) as raised:
        await provider.apply_route_plan(
            api.ApplyRoutePlan(platform.scope, plan(rule("v7")) | wrong), call()
        )

    assert raised.value.code is Code.INVALID
    assert platform.writes == before
