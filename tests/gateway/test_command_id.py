"""Every response to a command names the command, by the id that it has in the audit."""

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
from tests.loopback import Loopback

COMMANDS = [asked for asked in REQUESTS if not asked.operation.row.safe]
EVERY_COMMAND = pytest.mark.parametrize("asked", COMMANDS, ids=lambda each: each.operation.row.name)
SCALE = ("POST", "/memory/controllers/shop/hello")


class Failing:
    """Fails every call as the gateway does."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.command_ids: list[str | None] = []

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        self.command_ids.append(context.command_id)
        raise self.fault


def command_id_of(answer: Answer) -> str:
    """The id in the header, which is also in the body of an error."""
    command_id = answer.headers["command-id"]
    assert re.fullmatch("[0-9a-f]{32}", command_id)
    if answer.status != 200:
        assert answer.json()["commandId"] == command_id
    return command_id


@EVERY_COMMAND
async def test_a_command_is_answered_with_the_id_of_its_message(client, loopback, asked):
    body = None if asked.body is None else msgspec.json.encode(asked.body)

    answer = await client.ask(asked.method, f"/memory{asked.path}", body)

    [message] = loopback.messages
    assert command_id_of(answer) == message.message_id


@pytest.mark.parametrize("code", [*Code], ids=str)
async def test_whatever_the_gateway_answers_to_a_command_names_it(application_of, code):
    failing = Failing(Fault(code, "words"))

    answer = await Client(application_of(failing)).send(*SCALE, {"replicas": 3})

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
    ids=["no JSON", "no replicas", "no key", "no JSON type", "too large", "too large in chunks"],
)
async def test_a_command_that_is_refused_on_its_way_in_has_an_id(client, body, more, status):
    answer = await client.ask(*SCALE, body, **more)

    assert answer.status == status
    command_id_of(answer)


async def test_a_command_that_meets_a_bug_of_the_gateway_has_an_id(application_of):
    class Broken(Loopback):
        async def call(self, provider, operation, context=NOTHING):
            raise LookupError

    answer = await Client(application_of(Broken())).send(*SCALE, {"replicas": 3})

    assert answer.status == 500
    command_id_of(answer)


async def test_no_two_commands_have_one_id_whatever_the_client_asks_for(client):
    headers = [("command-id", "mine"), ("idempotency-key", "mine")]
    answers = [await client.send(*SCALE, {"replicas": 3}, headers=headers) for _ in range(3)]

    assert len({command_id_of(answer) for answer in answers}) == 3


@pytest.mark.parametrize("target", ["/memory/machines/shop", "/memory/machines/shop/x", "/status"])
async def test_what_is_no_command_has_no_id(client, target):
    answer = await client.get(target)

    assert "command-id" not in answer.headers
    assert b"commandId" not in answer.body


async def test_a_reply_that_makes_no_sense_names_the_command():
    problem = msgspec.json.decode(reply_of(Fault(Code.PLATFORM_FAILED, "words"), "c-1").body)

    assert problem["commandId"] == "c-1"
