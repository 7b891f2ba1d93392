"""One log line for each command, in the process that recorded its end, and for each query."""

import asyncio
import logging
from typing import Any

import pytest

from contracts import outcomes
from contracts.faults import Code, Fault
from contracts.observation import operations
from contracts.outcomes import Result
from contracts.seal import Seals
from contracts.wire import Reply, reply_of
from gateway.recorder.recorder import Recorder
from tests.examples import EXAMPLES, message_of
from tests.gateway.test_recorder import Broker, Connections
from tests.producer import scale_event
from tests.stack import eventually
from tests.worker import virtual
from tests.worker.ledger import attending, busy, event, request, working

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "requested-by": "icc"}
TIMES = ("queuedMs", "runMs")


@pytest.fixture(autouse=True)
def levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "machinist")


def lines(caplog: pytest.LogCaptureFixture, logger: str = "machinist.commands") -> list[Any]:
    """Return the fields of the records of a logger."""
    found = [vars(each)["fields"] for each in caplog.records if each.name == logger]
    return [{name: each[name] for name in each if each[name] is not None} for each in found]


@virtual.time
async def test_a_command_has_one_line_with_its_ids_its_result_and_its_times(caplog):
    async with working() as w:
        await w.run(request(5, headers=HEADERS))

    [line] = lines(caplog)
    assert {name: line[name] for name in line if name not in TIMES} == {
        "commandId": "a-5",
        "traceId": TRACE,
        "requestedBy": "icc",
        "provider": "k8s",
        "operation": "update_controller_replicas",
        "address": "controllers.default.a",
        "result": "done",
        "status": 200,
    }
    assert all(line[name] >= 0 for name in TIMES)


@virtual.time
async def test_a_failed_command_has_its_code_and_not_the_words_of_the_platform(caplog):
    async with working() as w:
        w.failures.append(Fault(Code.CONFLICT, "hunter2"))
        await w.run(request(5))

    [line] = lines(caplog)
    assert (line["result"], line["status"], line["code"]) == ("failed", 409, "conflict")
    assert "hunter2" not in caplog.text


@virtual.time
async def test_a_command_that_cannot_be_run_has_a_line_too(caplog):
    async with working() as w:
        await w.run(request(5, body=b"{}"))

    [line] = lines(caplog)
    assert (line["result"], line["code"]) == ("dead", "invalid")
    assert "runMs" not in line


@virtual.time
async def test_superseded_commands_have_a_line_each(caplog):
    async with attending() as (scene, w):
        await busy(scene, w)
        scene.last.deliver_message(event(2))
        scene.last.deliver_message(event(3))
        await asyncio.sleep(10)

    ends = [(line["commandId"], line["result"]) for line in lines(caplog)]
    assert sorted(ends) == [("a-1", "done"), ("a-2", "superseded"), ("a-3", "done")]


@virtual.time
async def test_the_level_warn_leaves_the_lines_out(caplog):
    caplog.set_level(logging.WARNING, "machinist")
    async with working() as w:
        await w.run(request(5))

    assert lines(caplog) == []


async def test_the_recorder_logs_the_commands_that_no_worker_ended(caplog):
    broker = Broker()
    recorder = Recorder(Seals([]), Connections(broker))
    command = scale_event("hello", 1)
    recorder.record_refusal("k8s", command, Fault(Code.QUEUE_FULL, "full"))

    recording = asyncio.create_task(recorder.run())
    await asyncio.to_thread(eventually, lambda: lines(caplog), 5)
    recording.cancel()

    [line] = lines(caplog)
    assert (line["commandId"], line["result"]) == (command.message_id, Result.REFUSED)
    assert line["code"] == "queue_full"


@pytest.mark.parametrize(
    ("reply", "ended"),
    [
        (Reply(200, b"[]"), (200, None)),
        (reply_of(Fault(Code.NOT_FOUND, "hunter2")), (404, "not_found")),
        (Reply(502, b"no JSON", "application/problem+json"), (502, None)),
    ],
)
def test_a_query_has_a_line_at_debug_level(caplog, reply, ended):
    message = message_of(EXAMPLES["get_machine"], message_id="q-1", headers=HEADERS)

    operations.query_answered(message, "k8s", reply, outcomes.now().timestamp())

    [line] = lines(caplog, "machinist.queries")
    assert (line["queryId"], line["traceId"], line["requestedBy"]) == ("q-1", TRACE, "icc")
    assert line["operation"] == "get_machine"
    assert line["address"].startswith("machines.")
    assert (line["status"], line.get("code")) == ended
    assert caplog.records[0].levelname == "DEBUG"
    assert "hunter2" not in caplog.text
