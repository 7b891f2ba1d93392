"""Invalid bodies: 4xx with a message that says what was expected; the platform is not called."""

import json
from typing import Any

import pytest

from contracts.api import OPERATIONS
from contracts.checks.json_limits import BODIES
from tests.gateway.client import Answer
from tests.gateway.requests import REQUESTS, Case
from tests.loopback import MAX_BODY_BYTES

SCALE = "/k8s/controllers/default/hello"
REPLICAS = "replicas: expected a whole number from 0 to 150000"
WITH_BODY = [case for case in REQUESTS if case.body is not None]
NAMED_BY_BODY = [case for case in WITH_BODY if isinstance(case.operation.row.body, str)]


def row_of(case: Case) -> str:
    return case.operation.row.name


def refused(answer: Answer, status: int = 400, code: str = "invalid") -> str:
    """Assert the status and code of a refusal; return its message."""
    assert (answer.status, answer.json()["code"]) == (status, code), answer.body
    message: str = answer.json()["message"]
    return message


def nested(depth: int) -> bytes:
    return b'{"replicas":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "value",
    [b'"3"', b"-1", b"1.5", b"1e9", b"true", b"null", b"150001", b"9" * 30, b"[3]", b"{}", b'""'],
)
async def test_replicas_must_be_a_whole_number_in_range(untouched, value):
    answer = await untouched.ask("POST", SCALE, b'{"replicas":' + value + b"}")

    assert refused(answer).startswith(f"{REPLICAS}, got ")


@pytest.mark.parametrize("body", [b"{}", b'{"scale":{"replicas":3}}'])
async def test_missing_replicas_are_named_in_the_message(untouched, body):
    assert refused(await untouched.ask("POST", SCALE, body)) == f"{REPLICAS}, got nothing"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"Replicas":3}', "unknown member 'Replicas', did you mean replicas?"),
        (b'{"replica":3}', "unknown member 'replica', did you mean replicas?"),
        (b'{"replicas":2,"kind":"StatefulSet"}', "unknown member 'kind'"),
        (b'{"replicas":2,"dryRun":"All"}', "unknown member 'dryRun'"),
        (b'{"replicas":2,"apiVersion":"apps/v1"}', "unknown member 'apiVersion'"),
    ],
)
async def test_a_scaling_with_a_member_similar_to_a_parameter_is_refused(untouched, body, message):
    assert refused(await untouched.ask("POST", SCALE, body)).startswith(f"body: {message}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"label":{"a":"b"}}', "unknown member 'label', did you mean labels?"),
        (b'{"labels":{"a":"b"},"dryRun":"All"}', "unknown member 'dryRun'"),
        (b'{"labels":{"a":"b"},"cascade":"all"}', "unknown member 'cascade'"),
    ],
)
async def test_labels_with_a_member_similar_to_a_parameter_are_refused(untouched, body, message):
    answer = await untouched.ask("PATCH", "/memory/machines/shop/hello-0/labels", body)

    assert refused(answer).startswith(f"body: {message}")


@pytest.mark.parametrize(
    "value", [b"3.0000001", b"1e400", b"9" * 5000, b"0x3", b"03", b"+3", b"NaN", b"-Infinity"]
)
async def test_a_number_that_is_invalid_json_or_out_of_range_is_refused(untouched, value):
    refused(await untouched.ask("POST", SCALE, b'{"replicas":' + value + b"}"))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"replicas":3',
        b"{'replicas':3}",
        b'{"replicas":3,}',
        b'{"replicas":3}}',
        b"replicas=3",
        b"\x00",
        b'\xef\xbb\xbf{"replicas":3}',
        b'{"replicas":3,"note":"\xff"}',
        b'{"replicas":3,"note":"\\ud800"}',
        '{"replicas":3}'.encode("utf-16"),
        nested(5_000),
        nested(40_000),
    ],
    ids=lambda body: ascii(body[:24]),
)
@pytest.mark.parametrize("case", WITH_BODY[1:3], ids=row_of)
async def test_a_body_that_is_not_json_is_refused(untouched, case, body):
    answer = await untouched.ask(case.method, f"/k8s{case.path}", body)

    assert "expected" in refused(answer)


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"3", b"null", b"true", b" "])
@pytest.mark.parametrize("case", WITH_BODY, ids=row_of)
async def test_a_body_that_is_not_an_object_is_refused(untouched, case, body):
    answer = await untouched.ask(case.method, f"/k8s{case.path}", body)

    assert refused(answer).startswith("expected a JSON object")


@pytest.mark.parametrize("case", NAMED_BY_BODY, ids=row_of)
@pytest.mark.parametrize("name", [None, 3, "", "..", "a/../b", "a b", "ä", "a" * 600, {"a": 1}])
async def test_a_body_with_an_invalid_name_is_refused(untouched, case, name):
    _, *keys = case.operation.row.subject.split(".")
    body = {"metadata": {"name": name}} if len(keys) == 2 else {keys[0]: name}

    answer = await untouched.send(case.method, f"/k8s{case.path}", body)

    assert "expected" in refused(answer)


@pytest.mark.parametrize(
    "labels",
    [None, [], "app=hello", {"app": 1}, {"": "a"}, {"a b": "c"}, {"a": "b\n"}, {"a": "b" * 300}],
    ids=repr,
)
async def test_invalid_labels_in_a_body_are_refused(untouched, labels):
    answer = await untouched.send("PATCH", "/k8s/machines/default/m/labels", {"labels": labels})

    assert refused(answer).startswith("labels")


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "*/*",
     "multipart/form-data; boundary=x", "json", "application/json-patch", "\xff\xfe"],
)  # fmt: skip
async def test_another_content_type_is_415(untouched, content_type):
    answer = await untouched.ask("POST", SCALE, b'{"replicas":3}', content_type=content_type)

    message = refused(answer, 415, "unsupported_media_type")
    assert message.startswith("expected the content type application/json, got ")


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"],
)
async def test_every_json_content_type_is_accepted(client, memory, content_type):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}
    path = "/memory/controllers/shop/hello"

    answer = await client.ask("POST", path, b'{"replicas":3}', content_type=content_type)

    assert answer.status == 200


def padded(size: int) -> bytes:
    """Return a scaling padded to a size in bytes."""
    return b'{"replicas":3}'.ljust(size)


async def test_a_body_of_the_maximum_size_is_accepted(client, memory):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}
    body = padded(MAX_BODY_BYTES)

    assert (await client.ask("POST", "/memory/controllers/shop/hello", body)).status == 200


async def test_a_too_large_content_length_is_413(untouched):
    answer = await untouched.ask("POST", SCALE, padded(MAX_BODY_BYTES + 1))

    message = refused(answer, 413, "request_too_large")
    assert message == f"expected a body of at most {MAX_BODY_BYTES} bytes"


async def test_a_too_large_chunked_body_is_413(untouched):
    body = padded(MAX_BODY_BYTES + 1)
    chunks = [body[start : start + 1000] for start in range(0, len(body), 1000)]

    answer = await untouched.ask("POST", SCALE, chunks=chunks)

    refused(answer, 413, "request_too_large")


async def test_a_body_longer_than_its_content_length_is_refused(untouched):
    answer = await untouched.ask(
        "POST", SCALE, chunks=[padded(MAX_BODY_BYTES + 1)], headers=[("content-length", "2")]
    )

    assert answer.status in {400, 413}


async def test_the_error_about_a_secret_does_not_repeat_the_secret(untouched):
    manifest = {"metadata": {"name": "hunter2/../hunter2"}, "data": "hunter2"}

    for body in (manifest, {"metadata": "hunter2"}, ["hunter2"]):
        answer = await untouched.send("PUT", "/k8s/secrets/default", body)
        refused(answer)
        assert b"hunter2" not in answer.body


async def test_the_body_of_a_query_is_ignored(client):
    answer = await client.ask("GET", "/memory/machines/shop", b"{not json")

    assert answer.status == 200


def test_every_command_except_a_delete_has_a_body():
    rows = [operation.row for operation in OPERATIONS.values()]
    expected = [row.name for row in rows if not row.safe and row.method != "DELETE"]
    assert [case.operation.row.name for case in WITH_BODY] == expected


DATA = {"password": "canary"}
SECRET = {"kind": "Secret", "metadata": {"name": "hello"}, "data": DATA}
NAMED = {"apiVersion": "v1", "kind": "Secret", "name": "hello", "uid": "1"}


@pytest.mark.parametrize("path", ["services", "gateway/httproutes", "controllers"])
@pytest.mark.parametrize(
    "marks",
    [
        {"kind": "Secret", "data": DATA},
        {"kind": "secret", "data": DATA},
        {"kind": " SECRET ", "data": DATA},
        {"stringData": DATA},
        {"kind": "List", "items": [{"kind": "Service"}, SECRET]},
        {"kind": "List", "items": [{"kind": "List", "items": [SECRET | {"kind": "secret"}]}]},
        {"kind": "List", "items": [{"stringData": DATA}]},
        {"kind": "SecretList", "items": [{"data": DATA}]},
        {"spec": {"secret": SECRET}},
        {"spec": [NAMED | {"data": DATA}]},
    ],
    ids=str,
)
async def test_a_secret_in_another_manifest_is_refused(untouched, path, marks):
    """The secret would be readable in the queue and in the audit."""
    manifest = {"kind": "Service", "metadata": {"name": "hello"}, **marks}
    answer = await untouched.ask("PUT", f"/k8s/{path}/default", json.dumps(manifest).encode())

    assert "PUT /secrets/<scope>" in refused(answer)
    assert b"canary" not in answer.body


@pytest.mark.parametrize("path", ["workloads", "gateway/routeplans"])
async def test_a_secret_in_a_workload_or_a_route_plan_is_refused(untouched, path):
    body = {"name": "hello", "appName": "hello", "image": "hello:1", "rules": [SECRET]}
    answer = await untouched.ask("PUT", f"/k8s/{path}/default", json.dumps(body).encode())

    assert "PUT /secrets/<scope>" in refused(answer)
    assert b"canary" not in answer.body


async def test_a_reference_to_a_secret_is_accepted(client, loopback):
    manifest = {
        "kind": "Service",
        "metadata": {"name": "hello", "ownerReferences": [NAMED]},
        "spec": {"certificateRefs": [{"group": "", "kind": "Secret", "name": "hello"}]},
        "data": {"kind": ["Secret"]},
    }

    await client.send("PUT", "/memory/services/default", manifest)

    [message] = loopback.messages
    assert json.loads(message.body)["manifest"] == manifest


async def test_a_deeply_nested_body_is_accepted(client, loopback):
    deep: Any = {}
    for _ in range(BODIES.depth // 2 - 1):
        deep = {"items": [deep]}

    await client.send("PUT", "/memory/services/default", {"metadata": {"name": "hello"}} | deep)

    assert len(loopback.messages) == 1
