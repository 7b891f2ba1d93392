"""Lists: selectors, consistent pages and expired pages."""

from typing import Any

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox

PODS = "/api/v1/namespaces/default/pods"


def names(page: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in page["items"]]


async def page(api: httpx.AsyncClient, **parameters: str | int) -> httpx.Response:
    return await api.get(PODS, params=parameters)


@pytest.fixture(autouse=True)
def ten_pods(sandbox: KubernetesSandbox) -> None:
    for number in range(10):
        labels = {"group": "ten", "parity": "odd" if number % 2 else "even"}
        sandbox.add_pod(f"ten-{number}", labels=labels)


@pytest.mark.parametrize(
    ("selector", "number"),
    [
        ("group=ten", 10),
        ("group==ten,parity=odd", 5),
        ("group=ten,parity!=odd", 5),
        ("parity in (odd, even)", 10),
        ("group,parity notin (odd)", 5),
        ("!group", 3),
        ("group=nine", 0),
        ("app.kubernetes.io/name=hello", 2),
    ],
)
async def test_label_selectors_filter(api: httpx.AsyncClient, selector: str, number: int) -> None:
    assert len((await page(api, labelSelector=selector)).json()["items"]) == number


@pytest.mark.parametrize("selector", ["a b", "=", "a=b,", "a in (", "!", "-bad=x", "a=" + "x" * 64])
async def test_bad_label_selectors_are_refused(api: httpx.AsyncClient, selector: str) -> None:
    answer = await page(api, labelSelector=selector)

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


async def test_a_badly_encoded_selector_is_ignored(
    api: httpx.AsyncClient,
) -> None:
    answer = await api.get(f"{PODS}?labelSelector=group%3Dten%2")

    assert len(answer.json()["items"]) == 13


async def test_a_field_selector_finds_a_name(api: httpx.AsyncClient) -> None:
    found = (await page(api, fieldSelector="metadata.name=ten-3")).json()
    refused = await page(api, fieldSelector="spec.color=red")

    assert names(found) == ["ten-3"]
    assert refused.status_code == 400


async def test_pages_show_one_resource_version_despite_changes_between_them(
    api: httpx.AsyncClient, sandbox: KubernetesSandbox
) -> None:
    first = (await page(api, limit=6)).json()
    sandbox.remove("pods", "ten-8")
    sandbox.add_pod("ten-85")
    second = (await page(api, limit=6, **{"continue": first["metadata"]["continue"]})).json()
    third = (await page(api, limit=6, **{"continue": second["metadata"]["continue"]})).json()
    seen = names(first) + names(second) + names(third)

    assert first["metadata"]["remainingItemCount"] == 7
    assert len(seen) == len(set(seen)) == 13
    assert "ten-8" in seen
    assert "ten-85" not in seen
    assert "continue" not in third["metadata"]
    assert third["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_list_with_a_selector_has_no_remaining_count(api: httpx.AsyncClient) -> None:
    metadata = (await page(api, limit=2, labelSelector="group=ten")).json()["metadata"]

    assert "continue" in metadata
    assert "remainingItemCount" not in metadata


async def test_an_expired_page_is_410_with_a_new_token(
    api: httpx.AsyncClient, sandbox: KubernetesSandbox
) -> None:
    first = (await page(api, limit=6)).json()
    sandbox.add_pod("zz")
    sandbox.store.compact()
    expired = await page(api, limit=6, **{"continue": first["metadata"]["continue"]})
    fresh = expired.json()["metadata"]["continue"]
    rest = (await page(api, limit=100, **{"continue": fresh})).json()

    assert (expired.status_code, expired.json()["reason"]) == (410, "Expired")
    assert set(names(first)).isdisjoint(names(rest))
    assert len(names(first) + names(rest)) == 14


async def test_items_of_built_in_kinds_do_not_repeat_their_type(api: httpx.AsyncClient) -> None:
    gateways = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways"

    assert "kind" not in (await page(api)).json()["items"][0]
    assert (await api.get(gateways)).json()["items"][0]["kind"] == "Gateway"
