"""Faults: a closed set of codes, each with a status, and one shape on the wire."""

import msgspec
import pytest

from contracts.faults import STATUS, Code, Fault
from contracts.wire import reply_of

EVERY_CODE = pytest.mark.parametrize("code", Code)

STATUSES = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 501, 502, 503, 504}
REPEATED_BY_CLIENTS = {429, 502, 503, 504}


def test_every_code_has_a_status_and_no_other():
    assert STATUS.keys() == set(Code)
    assert set(STATUS.values()) == STATUSES


@EVERY_CODE
def test_what_was_not_attempted_says_when_to_repeat_and_nothing_else_does(code):
    fault = Fault(code, "why")

    if fault.status in {429, 503}:
        assert fault.retry_after
        assert fault.retry_after >= 1
    else:
        assert fault.retry_after is None


def test_a_platform_may_say_when_to_repeat():
    assert Fault(Code.PLATFORM_LIMITING, "slow down", retry_after=17).retry_after == 17


@EVERY_CODE
def test_a_problem_has_exactly_the_agreed_members(code):
    problem = msgspec.json.decode(Fault(code, "why it failed").body())

    assert problem.keys() == {
        "type", "title", "status", "detail",
        "statusCode", "code", "error", "message",
    }  # fmt: skip
    assert problem["code"] == code
    assert problem["type"] == f"urn:machinist:fault:{code}"
    assert problem["detail"] == problem["message"] == "why it failed"
    assert problem["status"] == problem["statusCode"] == STATUS[code]
    assert problem["title"] == problem["error"]


@EVERY_CODE
def test_a_problem_names_the_command_that_failed(code):
    problem = msgspec.json.decode(Fault(code, "why it failed").body("c-1"))

    assert problem["commandId"] == "c-1"


@EVERY_CODE
def test_a_fault_becomes_a_reply_of_its_own_status(code):
    fault = Fault(code, "why")
    reply = reply_of(fault)

    assert (reply.status, reply.retry_after) == (fault.status, fault.retry_after)
    assert reply.content_type == "application/problem+json"
    assert reply.body == fault.body()


@pytest.mark.parametrize(
    "code",
    [
        Code.BROKER_UNREACHABLE,
        Code.BROKER_BLOCKED,
        Code.PROVIDER_UNATTENDED,
        Code.QUEUE_FULL,
        Code.GATEWAY_BUSY,
        Code.PLATFORM_UNREACHABLE,
        Code.PLATFORM_LIMITING,
        Code.PLATFORM_FAILED,
        Code.DEADLINE_EXCEEDED,
    ],
)
def test_a_transient_failure_has_a_status_that_clients_repeat(code):
    """The control plane never repeats a 409 or a 500."""
    assert STATUS[code] in REPEATED_BY_CLIENTS


def test_words_that_json_cannot_say_still_make_an_answer():
    """A platform quotes whatever it got; the answer to it must not end the process."""
    fault = Fault(Code.PLATFORM_INVALID, "bad \ud800 value")

    assert b"bad ? value" in reply_of(fault).body
