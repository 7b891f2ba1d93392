"""Every response to a command has the id of the command in the audit."""

import re
from typing import Any

import msgspec
import pytest

from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.wire import Reply, reply_of
from gateway.context import NOTHING, Context
from tests.gateway.client import Answer, Client
from tests.gateway.requests import REQUESTS
from tests.loopback import Loopback, gateway_over

COMMANDS = [case for case in REQUESTS if not case.operation.row.safe]
EVERY_COMMAND = pytest.mark.parametrize("case", COMMANDS, ids=lambda each: each.operation.row.name)
SCALE = ("POST", "/memory/controllers/shop/hello")


class Failing:
    """A caller that raises a fault for every call."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.command_ids: list[str | None] = []

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        self.command_ids.append(context.command_id)
        raise self.fault


def command_id_of(answer: Answer) -> str:
    """Return the id in the header; assert that the body of an error has the same id."""
    command_id = answer.headers["command-id"]
    assert re.fullmatch("[0-9a-f]{32}", command_id)
    if answer.status != 200:
        assert answer.json()["commandId"] == command_id
    return command_id


@EVERY_COMMAND
async def test_the_response_to_a_command_has_the_id_of_its_message(client, loopback, case):
    body = None if case.body is None else msgspec.json.encode(case.body)

    answer = await client.ask(case.method, f"/memory{case.path}", body)

    [message] = loopback.messages
    assert command_id_of(answer) == message.message_id


@pytest.mark.parametrize("code", [*Code], ids=str)
async def test_every_fault_of_the_gateway_names_the_command(code):
    failing = Failing(Fault(code, "words"))

    answer = await Client(gateway_over(failing)).send(*SCALE, {"replicas": 3})

    assert answer.json()["code"] == code
    assert failing.command_ids == [command_id_of(answer)]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.CONFLICT, Code.PLATFORM_FAILED], ids=str)
async def test_a_fault_of_the_platform_names_the_command(client, memory, loopback, code):
    memory.failures.append(Fault(code, "words"))

    answer = await client.send(*SCALE, {"replicas": 3})

    assert answer.json()["code"] == code
    assert command_id_of(answer) == loopback.messages[0].message_id


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"{", {}, 400),
        (b"{}", {}, 400),
        (b'{"replicas":1}', {"headers": [("idempotency-key", "")]}, 400),
        (b'{"replicas":1}', {"content_type": "text/plain"}, 415),
        (b" " * 1_000_000, {}, 413),
        (None, {"chunks": [b" " * 60_000] * 2}, 413),
    ],
    ids=[
        "not JSON",
        "no replicas",
        "empty key",
        "content type",
        "too large",
        "too large in chunks",
    ],
)
async def test_a_command_that_is_refused_before_its_publish_has_an_id(client, body, more, status):
    answer = await client.ask(*SCALE, body, **more)

    assert answer.status == status
    command_id_of(answer)


async def test_a_command_that_fails_with_a_bug_in_the_gateway_has_an_id():
    class Broken(Loopback):
        async def call(self, provider, operation, context=NOTHING):
            raise LookupError

    answer = await Client(gateway_over(Broken())).send(*SCALE, {"replicas": 3})

    assert answer.status == 500
    command_id_of(answer)


async def test_every_command_has_its_own_id_despite_the_headers_of_the_client(client):
    headers = [("command-id", "mine"), ("idempotency-key", "mine")]
    answers = [await client.send(*SCALE, {"replicas": 3}, headers=headers) for _ in range(3)]

    assert len({command_id_of(answer) for answer in answers}) == 3


@pytest.mark.parametrize("target", ["/memory/machines/shop", "/memory/machines/shop/x", "/status"])
async def test_a_query_has_no_command_id(client, target):
    answer = await client.get(target)

    assert "command-id" not in answer.headers
    assert b"commandId" not in answer.body


async def test_the_reply_of_a_fault_names_the_command():
    problem = msgspec.json.decode(reply_of(Fault(Code.PLATFORM_FAILED, "words"), "c-1").body)

    assert problem["commandId"] == "c-1"
