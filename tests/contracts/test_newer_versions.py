"""Messages of a newer version, with members and headers that this version does not know."""

from typing import Any, cast

import msgspec

from contracts import outcomes, topology, wire
from contracts.api import OPERATIONS
from contracts.broker.attendance import Announcement, Attendance
from contracts.faults import Code, Fault
from contracts.outcomes import Outcome, Result
from contracts.roll import Roll, workers_in
from contracts.seal import Seals
from contracts.wire import Message
from gateway.calls.replies import reply_in
from tests.examples import EXAMPLES, message_of
from worker.messages.examination import Examination

UNKNOWN = {"x-newer": "1", "x-newer-number": 7}


def newer(message: Message) -> Message:
    """Add an unknown member to a JSON object, and unknown headers."""
    body = msgspec.json.encode(msgspec.json.decode(message.body) | {"newer": {"member": [1]}})
    return msgspec.structs.replace(message, body=body, headers=message.headers | UNKNOWN)


def test_an_announcement_of_a_newer_worker_is_heard():
    attendance = Attendance([])
    announcement = Announcement("host-1", "k8s", "99.0.0", 0.0, partitions=[3])

    attendance.hear(newer(announcement.message()))

    assert attendance.workers("k8s") == [announcement]


def test_the_number_of_workers_from_a_newer_gateway_is_read():
    check = message_of(
        EXAMPLES["update_controller_replicas"],
        exchange=topology.COMMANDS,
        type=topology.ATTENDANCE,
        body=msgspec.json.encode(Roll(4)),
    )

    assert workers_in(newer(check)) == 4


def test_an_outcome_of_a_newer_process_is_read():
    outcome = Outcome(
        id="1", result=Result.DONE, operation="update_controller_replicas", provider="k8s",
        address="controllers.default.hello",
    )  # fmt: skip

    assert outcomes.read(newer(outcomes.message_of(outcome, "worker/99.0.0"))) == outcome


def test_the_reply_of_a_newer_worker_is_passed_through():
    body = Fault(Code.NOT_FOUND, "there is no such controller").body()
    message = message_of(EXAMPLES["get_controller"], body=body)
    headers: dict[str, Any] = {wire.HEADER_STATUS: 404}
    reply = newer(msgspec.structs.replace(message, headers=headers))

    answer = reply_in(reply, Seals([]))

    assert (answer.status, answer.body) == (404, reply.body)


def test_the_headers_of_a_newer_gateway_are_accepted_in_every_operation():
    examination = Examination("k8s", Seals([bytes(32)]), {})
    for name, example in EXAMPLES.items():
        message = message_of(example)
        if OPERATIONS[name].row.secret is None:
            headers = cast(dict[str, wire.Header], message.headers | UNKNOWN)
            newest = msgspec.structs.replace(message, headers=headers)
            assert examination.operation(newest) == example
