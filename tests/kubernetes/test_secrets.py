"""Secrets are written in one call, never read, and not visible in responses, logs or faults."""

import base64
import logging
import traceback
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import Ending
from tests.kubernetes import manifests
from tests.kubernetes.objects import owner
from tests.kubernetes.restricted import restricted
from tests.kubernetes.scripted import Scripted, failure
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

CANARY = "canary-4711"
ENCODED = base64.b64encode(CANARY.encode()).decode()


def secret(**more: Any) -> api.ApplySecret:
    return api.ApplySecret("default", manifests.secret(**more))


def stored(cluster: KubernetesSandbox) -> dict[str, Any]:
    found = cluster.read("secrets", "pull")
    assert found is not None
    return found


async def test_a_secret_is_created_and_updated_by_one_patch_without_a_read(provider, cluster, call):
    for text in ("one", "two"):
        await provider.apply_secret(secret(stringData={"token": text}), call())

    assert [each.method for each in cluster.calls] == ["PATCH", "PATCH"]
    assert {each.query for each in cluster.calls} == {
        "fieldManager=machinist&fieldValidation=Strict&force=true"
    }
    assert base64.b64decode(stored(cluster)["data"]["token"]) == b"two"


async def test_the_rights_to_patch_and_create_are_sufficient(cluster, environment, tmp_path, call):
    rules = ("patch create", "secrets", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        await provider.apply_secret(secret(data={"a": ENCODED}), call())
        await provider.apply_secret(secret(data={"a": ENCODED}), call())

    assert stored(cluster)["data"] == {"a": ENCODED}


async def test_data_and_string_data_are_merged_and_dropped_keys_are_removed(
    provider, cluster, call
):
    await provider.apply_secret(secret(data={"a": ENCODED}, stringData={"b": "2"}), call())
    assert stored(cluster)["data"] == {"a": ENCODED, "b": "Mg=="}

    await provider.apply_secret(secret(stringData={"a": "1"}), call())

    assert stored(cluster)["data"] == {"a": "MQ=="}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("bXlwYXNz\n", b"mypass"),
        ("Zh=\n=", b"f"),
        ("bXlw\r\nYXNz\r\n", b"mypass"),
        ("\n", b""),
        (None, b""),
    ],
)
async def test_data_is_accepted_as_kubernetes_accepts_it(provider, cluster, call, data, text):
    await provider.apply_secret(secret(data={"password": data}), call())

    assert base64.b64decode(stored(cluster)["data"]["password"]) == text


@pytest.mark.parametrize(
    "data",
    [
        "Zm9v=",
        "Zm9v==",
        "Zg=",
        "Zg",
        "=",
        "====",
        "Zg==Zg==",
        "bXlw YXNz",
        "bXlwYXN",
        "bXlw\tYXNz",
        "bXlwY-_z",
    ],
)
async def test_data_that_kubernetes_does_not_accept_as_base64_is_invalid(
    provider, cluster, call, data
):
    with pytest.raises(Fault, match=r"manifest.data.password: expected base64"):
        await provider.apply_secret(secret(data={"password": data}), call())

    assert len(cluster.calls) == 0


async def test_a_secret_of_another_writer_is_taken_over(provider, cluster, call):
    await provider.apply_secret(secret(stringData={"a": "1"}), call())
    cluster.touch("secrets", "pull")

    await provider.apply_secret(secret(stringData={"a": "2"}), call())

    assert stored(cluster)["data"] == {"a": "Mg=="}


async def test_the_response_identifies_the_secret_without_its_content(provider, cluster, call):
    answer = await provider.apply_secret(
        secret(
            data={"a": ENCODED},
            stringData={"b": CANARY},
            type="Opaque",
            metadata={"name": "pull", "labels": {"app": "web"}, "annotations": {"copy": CANARY}},
        ),
        call(),
    )

    assert (answer["kind"], answer["type"]) == ("Secret", "Opaque")
    assert answer["metadata"]["name"] == "pull"
    assert answer["metadata"]["labels"] == {"app": "web"}
    assert not {"data", "stringData"} & answer.keys()
    assert CANARY not in str(answer)
    assert ENCODED not in str(answer)


WRONG = [
    {"data": {"a": f"!{CANARY}"}},
    {"data": {"a": {"b": CANARY}}},
    {"data": [CANARY]},
    {"data": CANARY},
    {"stringData": {"a": [CANARY]}},
    {"stringData": CANARY},
    {CANARY: "x"},
    {"kind": "ConfigMap", "data": {"a": CANARY}},
    {"metadata": [CANARY], "data": {"a": ENCODED}},
    {"metadata": {"name": "a/b"}, "stringData": {"a": CANARY}},
    {"data": {"a": f"{ENCODED}===="}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
async def test_a_manifest_that_is_not_a_secret_is_invalid_and_not_quoted(
    provider, cluster, call, wrong
):
    with pytest.raises(Fault) as raised:
        await provider.apply_secret(secret(**wrong), call())

    assert raised.value.code is Code.INVALID
    assert len(cluster.calls) == 0
    printed = "".join(traceback.format_exception(raised.value.with_traceback(None)))
    assert CANARY not in printed
    assert ENCODED not in printed


@pytest.mark.parametrize(
    ("wrong", "member"),
    [
        ({"immutable": CANARY}, "manifest.immutable"),
        ({"immutable": 1}, "manifest.immutable"),
        ({"type": 5}, "manifest.type"),
        ({"type": {"a": CANARY}}, "manifest.type"),
        ({"data": []}, "manifest.data"),
        ({"data": {"a b": ENCODED}}, "manifest.data"),
        ({"data": {"..a": ENCODED}}, "manifest.data"),
        ({"stringData": {".": CANARY}}, "manifest.stringData"),
        ({"stringData": {"": CANARY}}, "manifest.stringData"),
        ({"stringData": {"a" * 254: CANARY}}, "manifest.stringData"),
        ({"annotations": {"a": 5}}, "manifest.metadata.annotations"),
        ({"annotations": CANARY}, "manifest.metadata.annotations"),
        ({"annotations": {"a b": CANARY}}, "manifest.metadata.annotations"),
        ({"labels": {"a": 5}}, "manifest.metadata.labels"),
        ({"labels": []}, "manifest.metadata.labels"),
        ({"labels": {"-a": CANARY}}, "manifest.metadata.labels"),
        ({"labels": {"a": f"{CANARY}-"}}, "manifest.metadata.labels.a"),
        ({"finalizers": CANARY}, "manifest.metadata.finalizers"),
        ({"finalizers": [5]}, "manifest.metadata.finalizers[0]"),
        ({"ownerReferences": {"a": CANARY}}, "manifest.metadata.ownerReferences"),
        ({"ownerReferences": [{"name": CANARY}]}, "manifest.metadata.ownerReferences[0]"),
    ],
)
async def test_a_member_of_a_wrong_type_or_name_is_invalid_and_named(
    provider, cluster, call, wrong, member
):
    of_metadata = {"annotations", "labels", "finalizers", "ownerReferences"} & wrong.keys()
    more = {"metadata": {"name": "pull"} | wrong} if of_metadata else wrong

    with pytest.raises(Fault) as raised:
        await provider.apply_secret(secret(**more), call())

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(member)
    assert raised.value.message.lower()[len(member) :].startswith(
        (": expected", ": object missing")
    )
    assert len(cluster.calls) == 0
    printed = "".join(traceback.format_exception(raised.value))
    for canary in (CANARY, ENCODED):
        assert canary not in printed


async def test_names_and_members_that_kubernetes_accepts_are_stored(provider, cluster, call):
    metadata = {
        "name": "pull",
        "labels": {"a.example/App_1": "", "none": None},
        "annotations": {"A.Example/Note": CANARY},
        "finalizers": ["a.example/f"],
        "ownerReferences": [owner("Deployment", "web")],
    }
    keys = ("tls.crt", ".dockerconfigjson", "a..b", "A_1-b", "." + "a" * 252)
    data = dict.fromkeys(keys, ENCODED)

    await provider.apply_secret(
        secret(metadata=metadata, data=data, immutable=False, type="Opaque"), call()
    )

    assert stored(cluster)["data"] == data


@pytest.mark.parametrize("status", [400, 409, 413, 422, 500, 503])
async def test_the_platforms_message_about_a_secret_is_not_shown(tmp_path, caplog, status):
    message = f'Secret "pull" is invalid: data.a: Invalid value: "{CANARY}" {ENCODED}'
    server = Scripted(failure(status, "Invalid", message))
    caplog.set_level(logging.DEBUG)

    async with server.client(tmp_path) as client:
        with pytest.raises(Fault) as raised:
            await KubernetesProvider(client).apply_secret(
                secret(stringData={"a": CANARY}), Ending(lambda: server.requests)
            )

    printed = "".join(traceback.format_exception(raised.value))
    for canary in (CANARY, ENCODED):
        assert canary not in printed
        assert canary not in caplog.text


@pytest.mark.parametrize("http2", ["true", "false"])
async def test_a_secret_is_not_in_a_log_at_debug_level(environment, cluster, call, caplog, http2):
    caplog.set_level(logging.DEBUG)
    cluster.faults.add(method="PATCH", disconnect="after", times=1)

    async with k8s.open_provider(environment | {"PLT_K8S_HTTP2": http2}) as provider:
        await provider.apply_secret(secret(data={"a": ENCODED}, stringData={"b": CANARY}), call())

    assert "PATCH" in caplog.text
    for canary in (CANARY, ENCODED, cluster.token):
        assert canary not in caplog.text


async def test_a_missing_right_is_named_for_secrets_too(cluster, environment, tmp_path, call):
    rules = ("get", "pods", "default")

    async with k8s.open_provider(restricted(cluster, environment, tmp_path, rules)) as provider:
        with pytest.raises(Fault, match=r'resources \["secrets"\], verbs \["patch"\]'):
            await provider.apply_secret(secret(stringData={"a": CANARY}), call())
