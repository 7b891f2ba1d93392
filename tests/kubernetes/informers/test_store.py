"""The store of an informer."""

import random

import msgspec

from tests.kubernetes.objects import metadata, pod
from tests.kubernetes.test_selectors import random_labels, random_selector
from worker.providers.k8s import selectors
from worker.providers.k8s.informers.store import Store
from worker.providers.k8s.objects import Pod


def made(name: str, uid: str = "", **labels: str) -> Pod:
    json = pod(metadata=metadata(name, labels=labels, uid=uid or f"uid-of-{name}"))
    return msgspec.json.decode(msgspec.json.encode(json), type=Pod)


def names(found: list[Pod]) -> list[str]:
    return [each.metadata.name for each in found]


def test_objects_are_found_by_name_and_uid_and_listed_by_name():
    store: Store[Pod] = Store()
    for name in ("b", "a", "c"):
        store.put(made(name))

    assert store.get("a") is store.with_uid("uid-of-a")
    assert store.get("d") is None
    assert store.with_uid("uid-of-d") is None
    assert names(store.select(None)) == ["a", "b", "c"]


def test_a_selector_finds_the_same_objects_through_the_index_as_without_it():
    source = random.Random(16)
    store: Store[Pod] = Store()
    pods: dict[str, dict[str, str]] = {}
    for _ in range(3000):
        name = f"p-{source.randint(0, 40):02}"
        if source.random() < 0.3:
            store.remove(name)
            pods.pop(name, None)
        else:
            pods[name] = random_labels(source)
            store.put(made(name, **pods[name]))
        selector = random_selector(source)
        expected = sorted(name for name, labels in pods.items() if selector.matches(labels))
        assert names(store.select(selector)) == expected


def test_an_object_with_the_same_name_and_another_uid_replaces_the_former():
    store: Store[Pod] = Store()
    store.put(made("a", "first", app="web"))
    store.put(made("a", "second", app="api"))

    assert store.with_uid("first") is None
    assert names(store.select(selectors.of_labels({"app": "web"}))) == []
    assert names(store.select(selectors.of_labels({"app": "api"}))) == ["a"]


def test_the_bytes_of_removed_objects_are_not_counted():
    store: Store[Pod] = Store()
    store.put(made("a", app="web"))
    one = store.bytes
    store.put(made("b", app="web"))
    both = store.bytes
    store.put(made("a", app="web"))
    same = store.bytes
    store.remove("a")
    store.remove("b")
    store.remove("absent")

    assert 0 < one < both == same
    assert store.bytes == 0 == len(store)
