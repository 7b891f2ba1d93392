"""Commands: each ends with one outcome before its acknowledgement, and starts after `started`."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from contracts import topology
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.outcomes import Result
from contracts.wire import HEADER_STATUS, JSON
from tests.examples import ANSWERS
from tests.worker import virtual
from tests.worker.ledger import Worker, event, example, request, working
from tests.worker.providers import SharingProvider
from worker.partitions.commands import LEAST_LEFT_S
from worker.partitions.runs import Disposition

LATE: dict[str, Any] = {"expiration": int(LEAST_LEFT_S * 1000) - 50}


@virtual.time
async def test_a_command_is_recorded_as_started_before_the_platform_is_called():
    async with working() as w:
        w.publisher.seconds["started"] = 5
        running = asyncio.create_task(w.run(request(5)))
        await asyncio.sleep(4.9)
        assert w.log == []

        assert await running is Disposition.ACKNOWLEDGE
        assert w.log == ["started a-5", "call 5", "reply 200", "done a-5"]


@virtual.time
async def test_an_outcome_has_the_requester_the_operation_the_times_and_the_result():
    async with working() as w:
        before = datetime.now(UTC)
        await w.run(request(5, headers={"requested-by": "icc"}))
        done = w.final

        assert (done.id, done.operation, done.provider) == (
            "a-5",
            "update_controller_replicas",
            "k8s",
        )
        assert done.address == "controllers.default.a"
        assert (done.requested_by, done.user, done.worker) == ("icc", "gateway", "w-1")
        assert (done.result, done.status, done.fault) == (Result.DONE, 200, None)
        assert (done.before, done.after) == ({"replicas": 3}, {"replicas": 5})
        assert done.asked is not None
        assert abs(done.asked - before) < timedelta(seconds=5)
        assert done.started is not None
        assert done.finished is not None
        assert before <= done.started <= done.finished
        assert w.outcomes[0].started == done.started
        assert w.outcomes[0].finished is None


@virtual.time
async def test_an_outcome_has_the_traceparent_of_its_command():
    async with working() as w:
        await w.run(request(5, headers={"traceparent": "00-trace"}))
        published = w.publisher.published
        records = [each for each in published if each.exchange == topology.OUTCOMES]

        assert {each.headers.get("traceparent") for each in records} == {"00-trace"}


@pytest.mark.parametrize("code", Code)
@virtual.time
async def test_a_fault_of_the_platform_is_the_outcome_and_the_reply(code):
    async with working() as w:
        w.failures.append(Fault(code, "the platform's own words"))

        assert await w.run(request(5)) is Disposition.ACKNOWLEDGE
        expected = Result.UNKNOWN if code is Code.DEADLINE_EXCEEDED else Result.FAILED
        assert w.final.result is expected
        assert w.final.status == w.replies[0].headers[HEADER_STATUS] == Fault(code, "").status
        assert w.final.fault is not None
        assert (w.final.fault.code, w.final.fault.message) == (code, "the platform's own words")
        assert w.log[0] == "started a-5"


@virtual.time
async def test_an_exception_of_the_provider_is_a_failure_without_its_message():
    async with working() as w:
        w.failures.append(KeyError("canary"))

        assert await w.run(event(5)) is Disposition.ACKNOWLEDGE
        assert (w.final.result, w.final.status) == (Result.FAILED, 500)
        assert not any(b"canary" in message.body for message in w.publisher.published)


@pytest.mark.parametrize("redelivered", [False, True])
@virtual.time
async def test_a_provider_knows_whether_its_command_was_redelivered(redelivered):
    async with working() as w:
        await w.run(request(5), redelivered=redelivered)

        assert [call.redelivered for call in w.calls] == [redelivered]


@pytest.mark.parametrize("redelivered", [False, True])
@virtual.time
async def test_an_internal_error_of_the_examination_is_a_failure(redelivered):
    async with working() as w:
        command = w.take(request(5), redelivered=redelivered)
        command.operation = Fault(Code.INTERNAL, "failed unexpectedly")

        assert await w.commands.run(command) is Disposition.ACKNOWLEDGE
        assert w.provider.operations == []
        assert (w.final.result, w.final.status) == (Result.FAILED, 500)
        assert w.replies[0].headers[HEADER_STATUS] == 500


@virtual.time
async def test_the_outcome_of_a_failure_has_the_state_observed_before_it():
    async with working() as w:

        async def fail(operation: Any, call: Any) -> Any:
            call.observed({"replicas": 3}, None)
            raise Fault(Code.PLATFORM_FAILED, "no")

        w.provider._behaviour = fail
        await w.run(event(5))

        assert (w.final.before, w.final.after) == ({"replicas": 3}, None)


async def scale_a_deployment(operation: Any, call: Any) -> Any:
    call.wrote("deployments", 8)
    call.wrote("deployments", 9)
    return ANSWERS[operation.row.name]


@virtual.time
async def test_the_versions_that_a_command_produced_are_announced_before_its_reply():
    async with working() as w:
        w.provider._behaviour = scale_a_deployment
        w.publisher.seconds["attendance"] = 0.3
        await w.run(request(5))

        assert w.log == [
            "started a-5",
            "done a-5",
            "versions k8s.default deployments=9",
            "reply 200",
        ]


@virtual.time
async def test_a_reply_waits_half_a_second_for_an_announcement_that_is_not_confirmed():
    async with working() as w:
        w.provider._behaviour = scale_a_deployment
        w.publisher.seconds["attendance"] = 3600
        began = virtual.now()
        await w.run(request(5))

        assert w.log[-1] == "reply 200"
        assert virtual.now() - began == pytest.approx(0.5)


@virtual.time
async def test_a_failed_command_announces_what_it_changed_before_its_failure():
    async with working() as w:

        async def fail(operation: Any, call: Any) -> Any:
            call.wrote("deployments", 9)
            raise Fault(Code.PLATFORM_FAILED, "no")

        w.provider._behaviour = fail
        await w.run(request(5))

        assert "versions k8s.default deployments=9" in w.log


def announced(w: Worker) -> list[int]:
    """Return the numbers of the announced ends of commands; each is before a reply."""
    pattern = re.compile(r"versions k8s.default commands-[0-9a-f]{12}=([0-9]+)")
    numbers = []
    sent = [line for line in w.log if line.startswith(("versions", "reply"))]
    for line, following in pairwise(sent):
        if found := pattern.fullmatch(line):
            numbers.append(int(found[1]))
            assert following.startswith("reply")
    return numbers


@virtual.time
async def test_every_end_of_a_command_is_announced_before_its_reply_if_queries_share_reads():
    async with working(provider=SharingProvider) as w:
        await w.run(request(1))
        w.failures = [Fault(Code.PLATFORM_FAILED, "no"), ValueError("a defect")]
        await w.run(request(2))
        await w.run(request(3))
        w.seconds = 3600
        await w.run(request(4))
        await w.run(request(5, **LATE), redelivered=True)
        command = w.take(request(6), redelivered=True)
        await w.commands.dead_letter(command, Fault(Code.INTERNAL, "poison"))

        replies = [each.headers[HEADER_STATUS] for each in w.replies if each.correlation_id]
        assert replies == [200, 502, 500, 504, 504, 500]
        assert announced(w) == [1, 2, 3, 4, 5, 6]


@virtual.time
async def test_a_command_is_numbered_at_its_end_and_not_at_its_start():
    async with working(provider=SharingProvider) as w:
        w.seconds = 5
        slow = asyncio.create_task(w.run(request(1, name="a")))
        await asyncio.sleep(1)
        w.seconds = 1
        await w.run(request(2, name="b"))
        assert announced(w) == [1]
        await slow
        assert announced(w) == [1, 2]


@virtual.time
async def test_a_command_that_is_cut_at_its_deadline_has_the_result_unknown():
    async with working() as w:
        w.seconds = 3600

        assert await w.run(request(5)) is Disposition.ACKNOWLEDGE
        assert (w.final.result, w.final.status) == (Result.UNKNOWN, 504)
        assert w.final.started is not None
        assert w.log == ["started a-5", "call 5", "unknown a-5", "reply 504"]


@pytest.mark.parametrize(
    ("redelivered", "result", "message"),
    [
        (False, Result.EXPIRED, "waited past its deadline and was never started"),
        (True, Result.UNKNOWN, "may have been started before"),
    ],
)
@virtual.time
async def test_a_command_without_time_left_is_answered_504_and_not_run(
    redelivered, result, message
):
    async with working() as w:
        assert await w.run(request(5, **LATE), redelivered=redelivered) is Disposition.ACKNOWLEDGE
        assert w.log == [f"{result} a-5", "reply 504"]
        assert (w.final.result, w.final.status, w.final.started) == (result, 504, None)
        assert w.final.fault is not None
        assert w.final.fault.code is Code.DEADLINE_EXCEEDED
        assert message in w.final.fault.message


@virtual.time
async def test_a_command_starts_with_a_little_more_than_the_least_time():
    async with working() as w:
        await w.run(event(5, expiration=int(LEAST_LEFT_S * 1000) + 150))

        assert w.final.result is Result.DONE


DELETES = [name for name, each in OPERATIONS.items() if each.row.method == "DELETE"]
OTHERS = [
    name
    for name, each in OPERATIONS.items()
    if not each.row.safe and name not in DELETES and each.row.secret is None
]
ABSENT = Fault(Code.NOT_FOUND, "there is none")


@pytest.mark.parametrize("name", DELETES)
@virtual.time
async def test_an_absent_object_of_a_redelivered_deletion_counts_as_deleted(name):
    """The former owner may have deleted the object before it was killed."""
    async with working() as w:
        w.failures.append(ABSENT)

        assert await w.run(example(name), redelivered=True) is Disposition.ACKNOWLEDGE
        assert (w.final.result, w.final.status, w.final.fault) == (Result.DONE, 200, None)
        assert w.replies[0].headers[HEADER_STATUS] == 200
        assert w.replies[0].content_type == JSON
        assert w.replies[0].body == b'{"name":"hello","deleted":true}'


@pytest.mark.parametrize("name", DELETES)
@virtual.time
async def test_a_first_deletion_of_an_absent_object_is_answered_404(name):
    async with working() as w:
        w.failures.append(ABSENT)
        await w.run(example(name))

        assert (w.final.result, w.final.status) == (Result.FAILED, 404)
        assert w.replies[0].headers[HEADER_STATUS] == 404


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.NOT_FOUND])
@virtual.time
async def test_a_redelivered_deletion_fails_with_any_other_fault(code):
    async with working() as w:
        w.failures.append(Fault(code, "no"))
        await w.run(example("delete_controller"), redelivered=True)

        assert w.final.status == w.replies[0].headers[HEADER_STATUS] == Fault(code, "").status


@pytest.mark.parametrize("name", OTHERS)
@virtual.time
async def test_any_other_redelivered_command_on_an_absent_object_is_answered_404(name):
    async with working() as w:
        w.failures.append(ABSENT)
        await w.run(example(name), redelivered=True)

        assert (w.final.result, w.final.status) == (Result.FAILED, 404)


@pytest.mark.parametrize("redelivered", [False, True])
@virtual.time
async def test_a_command_whose_start_is_not_recorded_in_time_is_not_run(redelivered):
    async with working() as w:
        w.publisher.seconds["started"] = 3600
        began = virtual.now()

        assert await w.run(event(5), redelivered=redelivered) is Disposition.ACKNOWLEDGE
        assert virtual.now() - began == pytest.approx(60 - LEAST_LEFT_S, abs=1)
        assert w.provider.operations == []
        assert w.log == ["unknown a-5" if redelivered else "expired a-5"]


@pytest.mark.parametrize(
    ("slow", "first"),
    [("done", "reply 200"), (topology.REPLIES, "done a-5")],
)
@virtual.time
async def test_neither_the_reply_nor_the_outcome_waits_for_the_other(slow, first):
    async with working() as w:
        w.publisher.seconds[slow] = 10
        running = asyncio.create_task(w.run(request(5)))
        await asyncio.sleep(1)

        assert w.log == ["started a-5", "call 5", first]
        assert not running.done(), "expected the end after both the reply and the record"
        assert await running is Disposition.ACKNOWLEDGE


@virtual.time
async def test_an_event_has_no_reply():
    async with working() as w:
        await w.run(event(5))

        assert w.log == ["started a-5", "call 5", "done a-5"]


@virtual.time
async def test_a_full_queue_that_rejects_outcomes_does_not_delay_commands(caplog):
    async with working() as w:
        w.publisher.refusing.add(topology.OUTCOMES)

        assert await w.run(request(5)) is Disposition.ACKNOWLEDGE
        assert w.log == ["call 5", "reply 200"]
        assert "refused started of a-5" in caplog.text


@virtual.time
async def test_a_rejected_outcome_is_published_again():
    """A stopping broker rejects messages too, and so may the queue of the audit."""
    async with working() as w:
        w.publisher.refusing.add(topology.OUTCOMES)
        running = asyncio.create_task(w.run(request(5)))
        await asyncio.sleep(0.1)
        w.publisher.refusing.clear()

        assert await running is Disposition.ACKNOWLEDGE
        assert w.log[0] == "started a-5"
        assert [each.result for each in w.outcomes] == [Result.STARTED, Result.DONE]


@virtual.time
async def test_a_done_command_is_recorded_after_its_run_was_abandoned():
    """The reply may have reached the gateway before the broker fell silent."""
    async with working() as w:
        w.publisher.seconds["done"] = 5
        run = w.runs.start(request(5), w.commands.run(w.take(request(5))))
        await asyncio.sleep(1)
        assert w.log == ["started a-5", "call 5", "reply 200"]

        w.runs.stop_all()
        await asyncio.wait([run.task])
        assert run.disposition() is Disposition.ABANDON
        await asyncio.sleep(5)

        assert w.results("a-5") == [Result.STARTED, Result.DONE]


@virtual.time
async def test_the_end_of_the_process_does_not_wait_for_records():
    async with working() as w:
        w.publisher.seconds["done"] = 5
        w.runs.start(request(5), w.commands.run(w.take(request(5))))
        await asyncio.sleep(1)

        w.runs.abandon()
        await asyncio.sleep(10)

        assert w.results("a-5") == [Result.STARTED]


@virtual.time
async def test_a_command_waits_for_a_deleted_audit_and_is_recorded_after_a_reconnect():
    async with working() as w:
        w.publisher.without_queue.add(topology.OUTCOMES)
        running = asyncio.create_task(w.run(request(5)))
        await asyncio.sleep(10)
        assert (w.log, w.publisher.reconnects) == ([], 0)
        w.publisher.without_queue.clear()

        assert await running is Disposition.ACKNOWLEDGE
        assert w.log == ["started a-5", "call 5", "reply 200", "done a-5"]
        assert w.publisher.reconnects == 1


@virtual.time
async def test_the_outcome_of_a_superseded_command_names_the_newer_command():
    async with working() as w:
        disposition = await w.commands.supersede(w.take(event(5)), w.take(event(6)))

        assert disposition is Disposition.ACKNOWLEDGE
        assert (w.final.result, w.final.superseded_by) == (Result.SUPERSEDED, "a-6")
        assert (w.final.status, w.final.started) == (None, None)
        assert w.final.finished is not None


@pytest.mark.parametrize("name", ["delete_controller", "set_machine_labels", "apply_service"])
@virtual.time
async def test_every_command_has_an_outcome(name):
    async with working() as w:
        await w.run(example(name))

        assert [each.result for each in w.outcomes] == [Result.STARTED, Result.DONE]
        assert w.final.operation == name


@virtual.time
async def test_a_message_without_an_id_has_the_same_outcome_id_each_time():
    async with working() as w:
        unnamed = event(5, message_id="")
        await w.run(unnamed)
        await w.run(msgspec.structs.replace(unnamed), redelivered=True)
        await w.run(event(6, message_id=""))

        first, again, other = (each.id for each in w.outcomes)
        assert first == again != other
        assert first.startswith("unnamed-")
