"""Every row of the table through HTTP, messages and dispatch, to a provider and back."""

from typing import Any

import msgspec
import pytest

from contracts import api
from contracts.api import OPERATIONS
from contracts.faults import PROBLEM_JSON
from contracts.operation import Operation
from contracts.seal import SEALED
from contracts.wire import Reply
from gateway.context import NOTHING, Context
from tests.calls import ample
from tests.gateway.client import Client
from tests.gateway.requests import MANIFEST, REQUESTS
from tests.memory import MemoryProvider

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Canned:
    """Answers every call with one reply."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        return self._reply


async def populate(memory: MemoryProvider) -> None:
    """Have `hello` run in the scope `shop`, with everything that belongs to it."""
    hello = MANIFEST | {"kind": "Deployment", "apiVersion": "apps/v1"}
    call = ample()
    await memory.apply_controller(api.ApplyController("shop", hello), call)
    await memory.apply_service(api.ApplyService("shop", MANIFEST), call)
    await memory.apply_http_route(api.ApplyHttpRoute("shop", MANIFEST), call)
    memory.calls.clear()


def test_the_requests_cover_the_table():
    assert {each.operation.row.name for each in REQUESTS} == OPERATIONS.keys()
    assert len(REQUESTS) == len(OPERATIONS)


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked.operation.row.name)
async def test_a_request_arrives_as_its_operation_and_is_answered_with_its_result(
    client, memory, loopback, asked
):
    await populate(memory)
    body = None if asked.body is None else msgspec.json.encode(asked.body)

    answer = await client.ask(asked.method, f"/memory{asked.path}", body)

    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert memory.calls == [asked.operation]
    msgspec.json.decode(answer.body, type=asked.operation.row.result)
    [message] = loopback.messages
    assert message.type == asked.operation.row.name
    assert message.key.startswith("memory.")


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked.operation.row.name)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{ "spaces" :   "kept" }'),
        Reply(422, b'{"statusCode":422}', PROBLEM_JSON),
        Reply(503, b"[]", PROBLEM_JSON, retry_after=7),
    ],
    ids=lambda reply: reply.status,
)
async def test_a_reply_comes_back_byte_for_byte(application_of, asked, reply):
    body = None if asked.body is None else msgspec.json.encode(asked.body)

    answer = await Client(application_of(Canned(reply))).ask(
        asked.method, f"/any{asked.path}", body
    )

    assert (answer.status, answer.body) == (reply.status, reply.body)
    assert answer.headers["content-type"] == reply.content_type
    assert answer.headers["content-length"] == str(len(reply.body))
    expected = None if reply.retry_after is None else str(reply.retry_after)
    assert answer.headers.get("retry-after") == expected


async def test_what_may_hold_secrets_travels_sealed(client, loopback):
    await client.send("PUT", "/memory/secrets/shop", MANIFEST)

    [message] = loopback.messages
    assert message.content_type == SEALED
    assert b"dmFsdWU" not in message.body


async def test_the_answer_to_a_secret_holds_none_of_its_data(client):
    answer = await client.send("PUT", "/memory/secrets/shop", MANIFEST)

    assert answer.status == 200
    assert b"dmFsdWU" not in answer.body


async def test_the_trace_context_of_a_request_goes_with_it(client, loopback):
    await client.get("/memory/machines/shop", headers=[("traceparent", TRACE)])

    assert loopback.messages[0].headers["traceparent"] == TRACE


async def test_what_is_scaled_is_read_with_its_new_size(client):
    await client.send("PUT", "/memory/controllers/shop", MANIFEST)

    scaled = await client.send("POST", "/memory/controllers/shop/hello", {"replicas": 5})
    read = await client.get("/memory/controllers/shop/hello")

    assert scaled.json()["replicas"] == read.json()["controller"]["replicas"] == 5
    assert len(read.json()["controller"]["machines"]) == 5


async def test_a_running_count_survives_a_manifest_that_names_none(client):
    await client.send("PUT", "/memory/controllers/shop", MANIFEST)
    await client.send("POST", "/memory/controllers/shop/hello", {"replicas": 0})

    await client.send("PUT", "/memory/controllers/shop", {"metadata": {"name": "hello"}})

    assert (await client.get("/memory/controllers/shop/hello")).json()["controller"] == {
        "name": "hello",
        "replicas": 0,
        "labels": {},
        "providerMetadata": {},
        "machines": [],
    }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_is_absent_is_404(client, method):
    answer = await client.ask(method, "/memory/gateway/httproutes/shop/hello")

    assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_a_manifest_that_is_out_of_date_is_a_conflict(client):
    read = (await client.send("PUT", "/memory/services/shop", MANIFEST)).json()
    await client.send("PUT", "/memory/services/shop", MANIFEST)

    answer = await client.send("PUT", "/memory/services/shop", read)

    assert (answer.status, answer.json()["code"]) == (409, "conflict")
