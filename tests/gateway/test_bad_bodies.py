"""Bodies that make no sense: 4xx with words that help, and no request to the platform."""

import json
from typing import Any

import pytest

from contracts.api import OPERATIONS
from contracts.json_limits import BODIES
from tests.gateway.client import Answer
from tests.gateway.conftest import MOST_BODY_BYTES
from tests.gateway.requests import REQUESTS, Asked

SCALE = "/k8s/controllers/default/hello"
REPLICAS = "replicas: expected a whole number from 0 to 150000"
WITH_BODY = [asked for asked in REQUESTS if asked.body is not None]
NAMED_BY_BODY = [asked for asked in WITH_BODY if isinstance(asked.operation.row.body, str)]


def row_of(asked: Asked) -> str:
    return asked.operation.row.name


def refused(answer: Answer, status: int = 400, code: str = "invalid") -> str:
    """The message of a refusal that is what it should be."""
    assert (answer.status, answer.json()["code"]) == (status, code), answer.body
    message: str = answer.json()["message"]
    return message


def nested(depth: int) -> bytes:
    return b'{"replicas":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "value",
    [b'"3"', b"-1", b"1.5", b"1e9", b"true", b"null", b"150001", b"9" * 30, b"[3]", b"{}", b'""'],
)
async def test_replicas_that_are_no_count_are_refused(untouched, value):
    answer = await untouched.ask("POST", SCALE, b'{"replicas":' + value + b"}")

    assert refused(answer).startswith(f"{REPLICAS}, got ")


@pytest.mark.parametrize("body", [b"{}", b'{"scale":{"replicas":3}}'])
async def test_missing_replicas_are_asked_for(untouched, body):
    assert refused(await untouched.ask("POST", SCALE, body)) == f"{REPLICAS}, got nothing"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"Replicas":3}', "unknown member 'Replicas', did you mean replicas?"),
        (b'{"replica":3}', "unknown member 'replica', did you mean replicas?"),
        (b'{"replicas":2,"kind":"StatefulSet"}', "unknown member 'kind'"),
        (b'{"replicas":2,"dryRun":"All"}', "unknown member 'dryRun'"),
        (b'{"replicas":2,"apiVersion":"apps/v1"}', "unknown member 'apiVersion'"),
    ],
)
async def test_a_scaling_with_a_member_that_looks_like_a_parameter_is_refused(
    untouched, body, said
):
    assert refused(await untouched.ask("POST", SCALE, body)).startswith(f"body: {said}")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"label":{"a":"b"}}', "unknown member 'label', did you mean labels?"),
        (b'{"labels":{"a":"b"},"dryRun":"All"}', "unknown member 'dryRun'"),
        (b'{"labels":{"a":"b"},"cascade":"all"}', "unknown member 'cascade'"),
    ],
)
async def test_labels_with_a_member_that_looks_like_a_parameter_are_refused(untouched, body, said):
    answer = await untouched.ask("PATCH", "/memory/machines/shop/hello-0/labels", body)

    assert refused(answer).startswith(f"body: {said}")


@pytest.mark.parametrize(
    "value", [b"3.0000001", b"1e400", b"9" * 5000, b"0x3", b"03", b"+3", b"NaN", b"-Infinity"]
)
async def test_numbers_that_json_or_we_cannot_hold_are_refused(untouched, value):
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
@pytest.mark.parametrize("asked", WITH_BODY[1:3], ids=row_of)
async def test_what_is_no_json_is_refused(untouched, asked, body):
    answer = await untouched.ask(asked.method, f"/k8s{asked.path}", body)

    assert "expected" in refused(answer)


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"3", b"null", b"true", b" "])
@pytest.mark.parametrize("asked", WITH_BODY, ids=row_of)
async def test_a_body_that_is_no_object_is_refused(untouched, asked, body):
    answer = await untouched.ask(asked.method, f"/k8s{asked.path}", body)

    assert refused(answer).startswith("expected a JSON object")


@pytest.mark.parametrize("asked", NAMED_BY_BODY, ids=row_of)
@pytest.mark.parametrize("name", [None, 3, "", "..", "a/../b", "a b", "ä", "a" * 600, {"a": 1}])
async def test_a_body_that_names_nothing_that_can_be_is_refused(untouched, asked, name):
    _, *keys = asked.operation.row.subject.split(".")
    body = {"metadata": {"name": name}} if len(keys) == 2 else {keys[0]: name}

    answer = await untouched.send(asked.method, f"/k8s{asked.path}", body)

    assert "expected" in refused(answer)


@pytest.mark.parametrize(
    "labels",
    [None, [], "app=hello", {"app": 1}, {"": "a"}, {"a b": "c"}, {"a": "b\n"}, {"a": "b" * 300}],
    ids=repr,
)
async def test_labels_that_cannot_be_set_are_refused(untouched, labels):
    answer = await untouched.send("PATCH", "/k8s/machines/default/m/labels", {"labels": labels})

    assert refused(answer).startswith("labels")


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "*/*",
     "multipart/form-data; boundary=x", "json", "application/json-patch", "\xff\xfe"],
)  # fmt: skip
async def test_another_content_type_is_415(untouched, content_type):
    answer = await untouched.ask("POST", SCALE, b'{"replicas":3}', content_type=content_type)

    said = refused(answer, 415, "unsupported_media_type")
    assert said.startswith("expected the content type application/json, got ")


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"],
)
async def test_json_by_any_of_its_names_is_read(client, memory, content_type):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}
    path = "/memory/controllers/shop/hello"

    answer = await client.ask("POST", path, b'{"replicas":3}', content_type=content_type)

    assert answer.status == 200


def padded(size: int) -> bytes:
    """A body of so many bytes that is valid but for its size."""
    return b'{"replicas":3}'.ljust(size)


async def test_a_body_of_the_most_bytes_is_read(client, memory):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}
    body = padded(MOST_BODY_BYTES)

    assert (await client.ask("POST", "/memory/controllers/shop/hello", body)).status == 200


async def test_a_larger_body_is_413_by_its_announced_length(untouched):
    answer = await untouched.ask("POST", SCALE, padded(MOST_BODY_BYTES + 1))

    said = refused(answer, 413, "request_too_large")
    assert said == f"expected a body of at most {MOST_BODY_BYTES} bytes"


async def test_a_larger_body_is_413_when_it_comes_in_chunks(untouched):
    body = padded(MOST_BODY_BYTES + 1)
    chunks = [body[start : start + 1000] for start in range(0, len(body), 1000)]

    answer = await untouched.ask("POST", SCALE, chunks=chunks)

    refused(answer, 413, "request_too_large")


async def test_a_body_whose_length_is_a_lie_is_refused(untouched):
    answer = await untouched.ask(
        "POST", SCALE, chunks=[padded(MOST_BODY_BYTES + 1)], headers=[("content-length", "2")]
    )

    assert answer.status in {400, 413}


async def test_a_secret_is_not_repeated_in_what_is_said_about_it(untouched):
    manifest = {"metadata": {"name": "hunter2/../hunter2"}, "data": "hunter2"}

    for body in (manifest, {"metadata": "hunter2"}, ["hunter2"]):
        answer = await untouched.send("PUT", "/k8s/secrets/default", body)
        refused(answer)
        assert b"hunter2" not in answer.body


async def test_a_query_needs_no_body_and_reads_none(client):
    answer = await client.ask("GET", "/memory/machines/shop", b"{not json")

    assert answer.status == 200


def test_rows_with_a_body_are_those_that_change_something_and_are_no_delete():
    rows = [operation.row for operation in OPERATIONS.values()]
    expected = [row.name for row in rows if not row.safe and row.method != "DELETE"]
    assert [asked.operation.row.name for asked in WITH_BODY] == expected


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
async def test_a_secret_sent_as_something_else_goes_no_further(untouched, path, marks):
    """It would lie open in the queue and in the audit."""
    manifest = {"kind": "Service", "metadata": {"name": "hello"}, **marks}
    answer = await untouched.ask("PUT", f"/k8s/{path}/default", json.dumps(manifest).encode())

    assert "PUT /secrets/<scope>" in refused(answer)
    assert b"canary" not in answer.body


@pytest.mark.parametrize("path", ["workloads", "gateway/routeplans"])
async def test_a_secret_sent_as_a_workload_or_a_plan_goes_no_further(untouched, path):
    body = {"name": "hello", "appName": "hello", "image": "hello:1", "rules": [SECRET]}
    answer = await untouched.ask("PUT", f"/k8s/{path}/default", json.dumps(body).encode())

    assert "PUT /secrets/<scope>" in refused(answer)
    assert b"canary" not in answer.body


async def test_what_merely_refers_to_a_secret_is_no_secret(client, loopback):
    manifest = {
        "kind": "Service",
        "metadata": {"name": "hello", "ownerReferences": [NAMED]},
        "spec": {"certificateRefs": [{"group": "", "kind": "Secret", "name": "hello"}]},
        "data": {"kind": ["Secret"]},
    }

    await client.send("PUT", "/memory/services/default", manifest)

    [message] = loopback.messages
    assert json.loads(message.body)["manifest"] == manifest


async def test_a_body_that_is_nested_very_deeply_is_searched_in_part_and_passed_on(
    client, loopback
):
    deep: Any = {}
    for _ in range(BODIES.depth // 2 - 1):
        deep = {"items": [deep]}

    await client.send("PUT", "/memory/services/default", {"metadata": {"name": "hello"}} | deep)

    assert len(loopback.messages) == 1
