"""The pure parts: selectors, patches, field ownership and the store."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.kubernetes import core
from deploy.sandbox.kubernetes.fields import from_fields, leaves, to_fields
from deploy.sandbox.kubernetes.patches import PatchFailed, json_patch, merge, strategic
from deploy.sandbox.kubernetes.selectors import matches_labels, parse_labels, selector_text, selects
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.sandbox.kubernetes.store import Expired, Store

LABELS = {"app": "hello", "tier": "web"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(min_size=1, max_size=3), JSON, max_size=4)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"app": "hello"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"app": "hello"}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({}, False),
        (None, False),
    ],
)
def test_the_selector_of_a_workload_matches_labels(selector: Any, expected: bool) -> None:
    assert selects(selector, LABELS) is expected


def test_the_text_of_a_selector_can_be_parsed() -> None:
    selector = {
        "matchLabels": {"app": "hello"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["web", "api"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }

    assert selector_text(selector) == "app=hello,tier in (api,web),!old"
    assert matches_labels(parse_labels(selector_text(selector)), LABELS)


@given(OBJECTS, OBJECTS)
def test_merging_the_same_patch_twice_changes_nothing_more(target: Any, patch: Any) -> None:
    once = merge(target, patch)

    assert merge(once, patch) == once


@given(OBJECTS, OBJECTS)
def test_patches_do_not_change_their_target(target: Any, patch: Any) -> None:
    before = repr(target)
    merge(target, patch)
    strategic(target, patch)

    assert repr(target) == before


def test_a_strategic_patch_deletes_by_key() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b", "image": "x"}]}
    patch = {"containers": [{"name": "a", "$patch": "delete"}, {"name": "b", "image": "y"}]}

    assert strategic(target, patch) == {"containers": [{"name": "b", "image": "y"}]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/list/7", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "frob", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
    ],
)
def test_a_json_patch_that_does_not_fit_fails(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchFailed):
        json_patch({"a": 1, "list": [1]}, [operation])


def test_owned_fields_survive_a_round_trip() -> None:
    container = {"name": "c", "ports": [{"containerPort": 80}]}
    paths = leaves({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}})

    assert set(from_fields(to_fields(paths))) == set(paths)


def test_the_store_shows_earlier_versions_until_it_is_compacted() -> None:
    store = Store()
    for name in ("a", "b"):
        store.put(core.CONFIG_MAPS, {"metadata": {"name": name, "namespace": "n", "uid": name}})
    moment = store.version
    store.remove(core.CONFIG_MAPS, "n", "a")
    store.put(core.CONFIG_MAPS, {"metadata": {"name": "c", "namespace": "n", "uid": "c"}})

    def names(version: int) -> list[str]:
        items = store.items_at(core.CONFIG_MAPS, "n", version)
        return [item.metadata["name"] for item in items]

    assert (names(moment), names(store.version)) == (["a", "b"], ["b", "c"])
    store.compact()
    with pytest.raises(Expired):
        names(moment)


def test_a_namespace_is_not_mistaken_for_one_with_a_longer_name() -> None:
    store = Store()
    for namespace in ("a", "a-b", "ab"):
        metadata = {"name": "x", "namespace": namespace, "uid": namespace}
        store.put(core.CONFIG_MAPS, {"metadata": metadata})

    assert [item.key for item in store.items(core.CONFIG_MAPS, "a")] == [("a", "x")]


def test_objects_can_be_added_from_several_threads() -> None:
    sandbox = KubernetesSandbox(seed=False)

    def add(prefix: str) -> None:
        for number in range(25):
            sandbox.add_deployment(f"{prefix}-{number}", replicas=2)

    threads = [threading.Thread(target=add, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sandbox.read_all("pods")) == 150


def test_a_json_patch_treats_an_absent_member_as_null() -> None:
    absent = {"op": "test", "path": "/metadata/ownerReferences", "value": None}

    assert json_patch({"metadata": {}}, [absent]) == {"metadata": {}}
    owned: dict[str, Any] = {"metadata": {"ownerReferences": [{}]}}
    for found in (owned, {}):
        with pytest.raises(PatchFailed):
            json_patch(found, [absent])
