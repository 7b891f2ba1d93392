"""Every row of the table through HTTP, messages and dispatch to a provider, and the reply."""

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
from tests.loopback import gateway_over
from tests.memory import MemoryProvider

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Canned:
    """A caller that returns the same reply to every call."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        return self._reply


async def populate(memory: MemoryProvider) -> None:
    """Apply `hello` in the scope `shop` with its service and its HTTP route."""
    hello = MANIFEST | {"kind": "Deployment", "apiVersion": "apps/v1"}
    call = ample()
    await memory.apply_controller(api.ApplyController("shop", hello), call)
    await memory.apply_service(api.ApplyService("shop", MANIFEST), call)
    await memory.apply_http_route(api.ApplyHttpRoute("shop", MANIFEST), call)
    memory.calls.clear()


def test_the_requests_cover_the_table():
    assert {case.operation.row.name for case in REQUESTS} == OPERATIONS.keys()
    assert len(REQUESTS) == len(OPERATIONS)


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.operation.row.name)
async def test_a_request_becomes_its_operation_and_returns_the_result(
    client, memory, loopback, case
):
    await populate(memory)
    body = None if case.body is None else msgspec.json.encode(case.body)

    answer = await client.ask(case.method, f"/memory{case.path}", body)

    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert memory.calls == [case.operation]
    msgspec.json.decode(answer.body, type=case.operation.row.result)
    [message] = loopback.messages
    assert message.type == case.operation.row.name
    assert message.key.startswith("memory.")


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.operation.row.name)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{ "spaces" :   "kept" }'),
        Reply(422, b'{"statusCode":422}', PROBLEM_JSON),
        Reply(503, b"[]", PROBLEM_JSON, retry_after=7),
    ],
    ids=lambda reply: reply.status,
)
async def test_a_reply_is_returned_byte_for_byte(case, reply):
    body = None if case.body is None else msgspec.json.encode(case.body)

    answer = await Client(gateway_over(Canned(reply))).ask(case.method, f"/any{case.path}", body)

    assert (answer.status, answer.body) == (reply.status, reply.body)
    assert answer.headers["content-type"] == reply.content_type
    assert answer.headers["content-length"] == str(len(reply.body))
    expected = None if reply.retry_after is None else str(reply.retry_after)
    assert answer.headers.get("retry-after") == expected


async def test_a_secret_is_sealed_in_its_message(client, loopback):
    await client.send("PUT", "/memory/secrets/shop", MANIFEST)

    [message] = loopback.messages
    assert message.content_type == SEALED
    assert b"dmFsdWU" not in message.body


async def test_the_response_to_a_secret_has_none_of_its_data(client):
    answer = await client.send("PUT", "/memory/secrets/shop", MANIFEST)

    assert answer.status == 200
    assert b"dmFsdWU" not in answer.body


async def test_the_trace_context_of_a_request_is_in_its_message(client, loopback):
    await client.get("/memory/machines/shop", headers=[("traceparent", TRACE)])

    assert loopback.messages[0].headers["traceparent"] == TRACE


async def test_a_scaled_controller_is_read_with_its_new_size(client):
    await client.send("PUT", "/memory/controllers/shop", MANIFEST)

    scaled = await client.send("POST", "/memory/controllers/shop/hello", {"replicas": 5})
    read = await client.get("/memory/controllers/shop/hello")

    assert scaled.json()["replicas"] == read.json()["controller"]["replicas"] == 5
    assert len(read.json()["controller"]["machines"]) == 5


async def test_a_manifest_without_replicas_keeps_the_present_count(client):
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
async def test_an_absent_resource_is_404(client, method):
    answer = await client.ask(method, "/memory/gateway/httproutes/shop/hello")

    assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_an_outdated_manifest_is_a_conflict(client):
    read = (await client.send("PUT", "/memory/services/shop", MANIFEST)).json()
    await client.send("PUT", "/memory/services/shop", MANIFEST)

    answer = await client.send("PUT", "/memory/services/shop", read)

    assert (answer.status, answer.json()["code"]) == (409, "conflict")
