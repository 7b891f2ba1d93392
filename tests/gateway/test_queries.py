"""Query parameters: spellings of labels, hints, and ignored parameters."""

from typing import Any

import msgspec
import pytest

from contracts import api
from tests.gateway.client import Client
from tests.gateway.requests import REQUESTS
from tests.memory import MemoryProvider

ICC = "labels=app.kubernetes.io%2Fname%3Dmyapp&labels=plt.dev%2Fversion%3D1.2.4"
MYAPP = {"app.kubernetes.io/name": "myapp", "plt.dev/version": "1.2.4"}


async def labels_of(client: Client, memory: MemoryProvider, query: str) -> Any:
    """Return the labels that reached the provider."""
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
    "name",
    [
        "labels[0]", "labels[1]", "labels[app]", "labels[app][in]", "labels.app", "labels_app",
        "labels[][]", "labels]", "labels[", "labels ", "labels0", "labels%5B0%5D",
        "labels%5Bapp%5D",
        "label", "label[]", "label[app]", "Labels", "LABELS", "lables", "labesl", "labls", "lbls",
        "labelSelector", "labelselector", "label_selector", "label-selector", "labelSelectors",
        "fieldSelector", "selector",
    ],
)  # fmt: skip
async def test_a_misspelt_filter_is_refused_and_the_correct_one_is_named(client, memory, name):
    """An ignored filter would list every machine of the scope."""
    for path in ("machines/shop", "services/shop?labels=a=b"):
        joint = "&" if "?" in path else "?"
        answer = await client.get(f"/memory/{path}{joint}{name}=app%3Dnone")

        assert (answer.status, answer.json()["code"]) == (400, "invalid"), path
        assert "expected labels=key=value" in answer.json()["message"]
    assert not memory.calls


@pytest.mark.parametrize("name", ["dryRun", "dryrun", "dry_run", "dry-run", "dryRun[]", "DRYRUN"])
@pytest.mark.parametrize("value", ["All", "true", "false", ""])
async def test_every_operation_refuses_a_dry_run(client, memory, name, value):
    for case in REQUESTS:
        joint = "&" if "?" in case.path else "?"
        body = None if case.body is None else msgspec.json.encode(case.body)

        answer = await client.ask(case.method, f"/memory{case.path}{joint}{name}={value}", body)

        assert (answer.status, answer.json()["code"]) == (400, "invalid"), case.path
        assert "what is accepted is done" in answer.json()["message"]
    assert not memory.calls


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        ("GET", "controllers/shop?labels=app=hello", "the operation does not filter by labels"),
        ("GET", "controllers/shop?machineid=m", "expected machineId"),
        ("GET", "controllers/shop?machine_id=m", "expected machineId"),
        ("GET", "controllers/shop?machine=m", "expected machineId"),
        ("GET", "controllers/shop?machineIds=m", "expected machineId"),
        ("GET", "controllers/shop?machinId=m", "expected machineId"),
        ("GET", "machines/shop?machineId=m", "the operation does not filter by machineId"),
        ("GET", "controllers/shop/hello?kinds=Deployment", "expected kind"),
        ("GET", "controllers/shop/hello?kind[0]=Deployment", "expected kind"),
        ("DELETE", "controllers/shop/hello?labels=app=hello", "does not filter by labels"),
        ("DELETE", "controllers/shop/hello?labelSelector=app=hello", "expected labels"),
        ("DELETE", "controllers/shop/hello?propagationPolicy=Orphan", "deletes as the platform"),
        ("DELETE", "controllers/shop/hello?cascade=orphan", "deletes as the platform"),
        ("DELETE", "services/shop/hello?cascade=false", "deletes as the platform"),
        ("DELETE", "controllers/shop/hello?orphanDependents=true", "deletes as the platform"),
        ("DELETE", "controllers/shop/hello?gracePeriodSeconds=0", "deletes as the platform"),
        ("DELETE", "controllers/shop/hello?grace-period=0", "deletes as the platform"),
        ("DELETE", "controllers/shop/hello?force=true", "nothing is forced"),
        ("DELETE", "services/shop/hello?apiVersion[0]=v1&labels[x]=y", "does not filter by labels"),
    ],
)
async def test_a_parameter_similar_to_a_filter_of_any_operation_is_refused(
    client, memory, method, target, message
):
    answer = await client.ask(method, f"/memory/{target}")

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert message in answer.json()["message"]
    assert not memory.calls


@pytest.mark.parametrize(
    "metadata",
    ["kind=Deployment&apiVersion=apps/v1", "launchType=FARGATE", "clusterArn=x&region=eu", "uid=1",
     "namespace=x&name=y&version=2", "state=on&status=x&values=1&limit=5", "x" * 5000, "_=1&=2"],
)  # fmt: skip
async def test_the_provider_metadata_of_any_platform_is_ignored(client, memory, metadata):
    answer = await client.get(f"/memory/machines/shop?{metadata}")

    assert answer.status == 200, answer.body
    assert memory.calls == [api.GetMachines("shop")]


async def test_more_than_256_parameters_are_refused(client, memory):
    answer = await client.get("/memory/machines/shop?" + "&".join(map(str, range(300))))

    assert answer.status == 400
    assert "expected at most 256 parameters" in answer.json()["message"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("labels=", "expected key=value"),
        ("labels", "expected key=value"),
        ("labels[]=", "expected key=value"),
        ("labels=app", "expected key=value"),
        ("labels==hello", "expected key=value"),
        ("labels=app=a&labels=app=b", "expected one value"),
        ("labels=app=a&labels=app", "expected key=value"),
        ("labels=a%2Cb=c", "label key"),
        ("labels=app=x&labels=a%2Cb=c", "+@-, got 'a,b'"),
        ("labels=app=x&labels=team=b%2Cc", "labels['team']: expected a label value"),
        ("labels=a=b%2Cc%3Dd", "label value"),
        ("labels=a=b%26c", "label value"),
        ("labels=a=%00", "label value"),
        ("labels=a=b%0A", "label value"),
        ("labels=a=%FF", "UTF-8"),
        ("labels=!a=b", "label key"),
        ("labels=a=" + "b" * 300, "label value"),
        ("labels=" + "a" * 400 + "=b", "label key"),
    ],
)
async def test_invalid_labels_are_400(client, memory, query, message):
    answer = await client.get(f"/memory/machines/shop?{query}")

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert message in answer.json()["message"]
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
        ("?name=other&version=2&namespace=x&uid=1&launchType=FARGATE&limit=5", None, None),
    ],
)
async def test_hints_reach_the_provider(client, memory, query, kind, api_version):
    await client.get(f"/memory/controllers/shop/hello{query}")

    assert memory.calls == [api.GetController("shop", "hello", kind, api_version)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *[(name, "kind") for name in ("Kind", "KIND", "knd", "kidn", "kin", "kinds", "Kind[]",
                                      "kind ", "_kind", "k%69nd.")],
        *[(name, "apiVersion") for name in ("apiversion", "ApiVersion", "api_version",
                                            "api-version", "apiVersoin", "apiVer", "apiVersions")],
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_misspelt_hint_is_refused_and_the_correct_one_is_named(
    client, memory, method, name, meant
):
    """If the hint were ignored, a controller of another kind would be scaled or deleted."""
    body = msgspec.json.encode({"replicas": 2}) if method == "POST" else None
    target = f"/memory/controllers/shop/hello?{name}=StatefulSet"

    answer = await client.ask(method, target, body)

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["message"].endswith(f": expected {meant}")
    assert not memory.calls


@pytest.mark.parametrize(
    ("query", "message"),
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
async def test_invalid_hints_are_400(client, memory, query, message):
    answer = await client.send("POST", f"/memory/controllers/shop/hello?{query}", {"replicas": 1})

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert message in answer.json()["message"]
    assert not memory.calls


@pytest.mark.parametrize("name", ["controllers/shop", "machines/shop"])
async def test_a_trailing_question_mark_changes_nothing(client, memory, name):
    assert (await client.get(f"/memory/{name}?")).status == 200


async def test_the_query_cannot_override_scope_name_or_replicas(client, memory):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}

    await client.send(
        "POST", "/memory/controllers/shop/hello?replicas=9&scope=x&name=y", {"replicas": 2}
    )

    assert memory.calls == [api.UpdateControllerReplicas("shop", "hello", 2)]
