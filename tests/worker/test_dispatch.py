"""Dispatch: a message becomes a call of the provider, and its result or fault a reply."""

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from contracts import api
from contracts.api import OPERATIONS
from contracts.faults import PROBLEM_JSON, Code, Fault
from contracts.operation import Operation
from contracts.resources import Machine
from contracts.seal import SEALED, Seals
from contracts.wire import JSON, Message, Reply
from tests.examples import ANSWERS, EXAMPLES, message_of
from tests.worker import virtual
from tests.worker.providers import Behaviour, FullProvider
from worker.dispatch import REPLY_LIMIT, Dispatch
from worker.provider import Call

SEALS = Seals([b"k" * 32])
QUERY = message_of(EXAMPLES["get_machine"])
SCALE = message_of(EXAMPLES["update_controller_replicas"])


def sealed(operation: Operation[Any]) -> Message:
    """Return the message of an operation, sealed if its row requires it."""
    message = message_of(operation)
    if not operation.row.seal:
        return message
    address = message.key.split(".", 2)[2]
    body = SEALS.seal(message.body, operation.row.name, address)
    return msgspec.structs.replace(message, body=body, content_type=SEALED)


async def reply_to(message: Message, behaviour: Behaviour | None = None) -> Reply:
    """Return the reply to a message by a provider with this behaviour."""
    provider = FullProvider(behaviour) if behaviour else FullProvider()
    return await Dispatch("k8s", provider, SEALS).run(message, Call.within(10))


def problem(reply: Reply, code: Code) -> str:
    """Return the message of a problem with this code."""
    body = msgspec.json.decode(reply.body)
    assert body["code"] == code
    assert reply.status == body["status"] == Fault(code, "").status
    assert reply.content_type == PROBLEM_JSON
    return str(body["message"])


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_operation_reaches_its_method_and_its_result_is_the_body(name):
    provider = FullProvider()
    reply = await Dispatch("k8s", provider, SEALS).run(sealed(EXAMPLES[name]), Call.within(10))

    assert provider.operations == [EXAMPLES[name]]
    assert (reply.status, reply.content_type) == (200, JSON)
    assert msgspec.json.decode(reply.body, type=OPERATIONS[name].row.result) == ANSWERS[name]


async def test_unknown_members_are_left_out_of_the_body():
    reply = await reply_to(QUERY)

    assert "startTime" not in msgspec.json.decode(reply.body)


@pytest.mark.parametrize("name", ["update_controller_replicas", "apply_service"])
async def test_the_reply_has_each_warning_of_the_platform_once(name):
    async def warn(operation: Operation[Any], call: Call) -> Any:
        for text in ("it is deprecated", "it is managed", "it is deprecated"):
            call.warn(text)
        return ANSWERS[operation.row.name]

    body = msgspec.json.decode((await reply_to(message_of(EXAMPLES[name]), warn)).body)

    assert body["warnings"] == ["it is deprecated", "it is managed"]


async def test_a_warning_has_no_values_of_a_sealed_body():
    operation = EXAMPLES["apply_secret"]

    async def warn(_: Operation[Any], call: Call) -> Any:
        call.warn('the value "t0p" of the secret is weak')
        return ANSWERS["apply_secret"]

    body = msgspec.json.decode((await reply_to(sealed(operation), warn)).body)

    assert body["warnings"] == ['the value "(not shown)" of the secret is weak']


async def test_a_provider_receives_the_call():
    calls = []

    async def keep(operation: Operation[Any], call: Call) -> Any:
        calls.append(call)
        return ANSWERS[operation.row.name]

    call = Call.within(10)
    await Dispatch("k8s", FullProvider(keep), SEALS).run(QUERY, call)

    assert calls == [call]


@pytest.mark.parametrize("code", Code)
async def test_a_fault_of_the_provider_is_passed_on(code):
    async def fail(operation: Operation[Any], call: Call) -> Any:
        raise Fault(code, "the platform's own words", retry_after=7)

    reply = await reply_to(QUERY, fail)

    assert problem(reply, code) == "the platform's own words"
    assert reply.retry_after == 7


@pytest.mark.parametrize("error", [KeyError("canary"), RuntimeError("canary"), RecursionError("c")])
async def test_an_exception_of_the_provider_fails_only_its_request_without_details(error, caplog):
    async def fail(operation: Operation[Any], call: Call) -> Any:
        raise error

    reply = await reply_to(SCALE, fail)

    assert problem(reply, Code.INTERNAL) == (
        "update_controller_replicas failed unexpectedly; see the worker's log"
    )
    assert b"canary" not in reply.body
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info[1] is error


@pytest.mark.parametrize("result", [object(), {"a": object()}, {1j: 2}, "\ud800"])
async def test_a_result_that_cannot_be_encoded_fails_only_its_request(result):
    async def answer(operation: Operation[Any], call: Call) -> Any:
        return result

    assert problem(await reply_to(QUERY, answer), Code.INTERNAL)


async def test_a_reply_of_twelve_mebibytes_is_sent():
    async def answer(operation: Operation[Any], call: Call) -> Any:
        return "x" * (REPLY_LIMIT - 2)

    reply = await reply_to(QUERY, answer)

    assert REPLY_LIMIT == 12 * 1024 * 1024
    assert (reply.status, len(reply.body)) == (200, REPLY_LIMIT)


async def test_a_larger_reply_is_refused_with_a_hint():
    async def answer(operation: Operation[Any], call: Call) -> Any:
        return "x" * (REPLY_LIMIT - 1)

    reply = await reply_to(QUERY, answer)

    assert reply.status == 413
    assert "narrow it by labels" in problem(reply, Code.REPLY_TOO_LARGE)


@virtual.time
async def test_a_call_is_cut_at_its_deadline():
    cut = []

    async def last(operation: Operation[Any], call: Call) -> Any:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cut.append(operation)
            raise

    began = virtual.now()
    reply = await reply_to(SCALE, last)

    assert virtual.now() - began == pytest.approx(10, abs=1)
    assert problem(reply, Code.DEADLINE_EXCEEDED) == (
        "update_controller_replicas was cancelled at its deadline"
    )
    assert reply.status == 504
    assert len(cut) == 1


async def test_a_call_without_time_left_is_cut_before_its_first_request():
    sent = []

    async def send(operation: Operation[Any], call: Call) -> Any:
        await asyncio.sleep(0)
        sent.append(operation)

    reply = await Dispatch("k8s", FullProvider(send), SEALS).run(SCALE, Call.within(-1))

    assert reply.status == 504
    assert sent == []


async def test_the_cancellation_of_a_run_is_not_a_fault():
    """After a take-over this worker must not reply."""

    async def last(operation: Operation[Any], call: Call) -> Any:
        await asyncio.sleep(3600)

    run = asyncio.create_task(reply_to(SCALE, last))
    await asyncio.sleep(0)
    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run


class OneOperation:
    """Supports one operation."""

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        raise AssertionError("expected no call")


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"get_machine"}))
async def test_an_unsupported_operation_is_answered_501_before_any_call(name):
    dispatch = Dispatch("modest", OneOperation(), SEALS)
    message = sealed(EXAMPLES[name])
    message = msgspec.structs.replace(message, key="modest" + message.key.removeprefix("k8s"))
    reply = await dispatch.run(message, Call.within(10))

    assert reply.status == 501
    assert problem(reply, Code.UNSUPPORTED) == f"{name} is not supported by the provider modest"
