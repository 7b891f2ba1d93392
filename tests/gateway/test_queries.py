"""What the query of a request means: labels in every spelling, hints, and what is ignored."""

from typing import Any

import pytest

from contracts import api
from tests.gateway.client import Client
from tests.memory import MemoryProvider

ICC = "labels=app.kubernetes.io%2Fname%3Dmyapp&labels=plt.dev%2Fversion%3D1.2.4"
MYAPP = {"app.kubernetes.io/name": "myapp", "plt.dev/version": "1.2.4"}


async def labels_of(client: Client, memory: MemoryProvider, query: str) -> Any:
    """The labels that the provider was asked for."""
    answer = await client.get(f"/memory/machines/shop?{query}")
    assert answer.status == 200, answer.body
    [operation] = memory.calls
    assert isinstance(operation, api.GetMachines)
    return operation.labels


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        (ICC, MYAPP),
        (ICC.replace("labels", "labels[]"), MYAPP),
        (ICC.replace("labels", "labels%5B%5D"), MYAPP),
        ("labels=app=hello", {"app": "hello"}),
        ("labels=app=hello&labels[]=track=blue", {"app": "hello", "track": "blue"}),
        ("labels=app%3Da%3Db%3D", {"app": "a=b="}),
        ("labels=app=", {"app": ""}),
        ("labels=app=hello&labels=app=hello", {"app": "hello"}),
        ("labels=note=two+words", {"note": "two words"}),
        ("labels=note=a%2Bb", {"note": "a+b"}),
        ("&&labels=app=hello&", {"app": "hello"}),
        ("unknown=x&labels=app=hello&scope=other&x", {"app": "hello"}),
        ("", {}),
    ],
)  # fmt: skip
async def test_labels_are_read_in_every_spelling(client, memory, query, labels):
    assert await labels_of(client, memory, query) == labels


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("labels=", "expected key=value"),
        ("labels", "expected key=value"),
        ("labels[]=", "expected key=value"),
        ("labels=app", "expected key=value"),
        ("labels==hello", "expected key=value"),
        ("labels=app=a&labels=app=b", "expected one value"),
        ("labels=app=a&labels=app", "expected key=value"),
        ("labels=a%2Cb=c", "label key"),
        ("labels=a=b%2Cc%3Dd", "label value"),
        ("labels=a=b%26c", "label value"),
        ("labels=a=%00", "label value"),
        ("labels=a=b%0A", "label value"),
        ("labels=%C3%A4=b", "label key"),
        ("labels=a=%FF", "UTF-8"),
        ("labels=!a=b", "label key"),
        ("labels=a=" + "b" * 300, "label value"),
        ("labels=" + "a" * 400 + "=b", "label key"),
    ],
)
async def test_labels_that_make_no_sense_are_400(client, memory, query, said):
    answer = await client.get(f"/memory/machines/shop?{query}")

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert said in answer.json()["message"]
    assert not memory.calls


@pytest.mark.parametrize("query", ["", "?", "?other=x"])
async def test_services_without_labels_are_400(client, query):
    answer = await client.get(f"/memory/services/shop{query}")

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["message"].startswith("labels: expected")


@pytest.mark.parametrize(
    ("query", "kind", "api_version"),
    [
        ("", None, None),
        ("?", None, None),
        ("?kind=Deployment&apiVersion=apps%2Fv1", "Deployment", "apps/v1"),
        ("?kind=Deployment&apiVersion=apps/v1", "Deployment", "apps/v1"),
        ("?apiVersion=v1", None, "v1"),
        ("?kind=A&kind=A", "A", None),
        ("?api_version=v1&Kind=A&name=other", None, None),
    ],
)
async def test_hints_reach_the_provider(client, memory, query, kind, api_version):
    await client.get(f"/memory/controllers/shop/hello{query}")

    assert memory.calls == [api.GetController("shop", "hello", kind, api_version)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("kind=", "a kind such as"),
        ("kind=a/b", "a kind such as"),
        ("kind=..", "a kind such as"),
        ("kind=A&kind=B", "expected one value"),
        ("apiVersion=", "an API version such as"),
        ("apiVersion=apps/v1/../../x", "an API version such as"),
        ("apiVersion=%2e%2e", "an API version such as"),
    ],
)
async def test_hints_that_make_no_sense_are_400(client, memory, query, said):
    answer = await client.send("POST", f"/memory/controllers/shop/hello?{query}", {"replicas": 1})

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert said in answer.json()["message"]
    assert not memory.calls


@pytest.mark.parametrize("name", ["controllers/shop", "machines/shop"])
async def test_a_trailing_question_mark_changes_nothing(client, memory, name):
    assert (await client.get(f"/memory/{name}?")).status == 200


async def test_the_query_names_neither_scope_nor_replicas(client, memory):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}

    await client.send(
        "POST", "/memory/controllers/shop/hello?replicas=9&scope=x&name=y", {"replicas": 2}
    )

    assert memory.calls == [api.UpdateControllerReplicas("shop", "hello", 2)]
