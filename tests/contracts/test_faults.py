"""Faults: a closed set of codes, each with a status, and one format of error bodies."""

import msgspec
import pytest

from contracts.faults import STATUS, Code, Fault
from contracts.wire import reply_of

EVERY_CODE = pytest.mark.parametrize("code", Code)

STATUSES = {400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503, 504}
RETRIED_BY_CLIENTS = {429, 502, 503, 504}


def test_every_code_has_a_status():
    assert STATUS.keys() == set(Code)
    assert set(STATUS.values()) == STATUSES


@EVERY_CODE
def test_only_a_fault_with_429_or_503_has_retry_after(code):
    fault = Fault(code, "why")

    if fault.status in {429, 503}:
        assert fault.retry_after
        assert fault.retry_after >= 1
    else:
        assert fault.retry_after is None


def test_a_platform_may_set_retry_after():
    assert Fault(Code.PLATFORM_LIMITING, "slow down", retry_after=17).retry_after == 17


@EVERY_CODE
def test_a_problem_has_exactly_the_members_of_the_contract(code):
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
def test_a_problem_has_the_id_of_the_failed_command(code):
    problem = msgspec.json.decode(Fault(code, "why it failed").body("c-1"))

    assert problem["commandId"] == "c-1"


@EVERY_CODE
def test_the_reply_of_a_fault_has_its_status_body_and_retry_after(code):
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
        Code.PLATFORM_NOT_READY,
        Code.PLATFORM_LIMITING,
        Code.PLATFORM_FAILED,
        Code.DEADLINE_EXCEEDED,
    ],
)
def test_a_transient_failure_has_a_status_that_clients_retry(code):
    """The control plane does not retry a 409 or a 500."""
    assert STATUS[code] in RETRIED_BY_CLIENTS


def test_a_message_with_a_lone_surrogate_can_be_encoded_as_json():
    """A platform may quote invalid input in its message."""
    fault = Fault(Code.PLATFORM_INVALID, "bad \ud800 value")

    assert b"bad ? value" in reply_of(fault).body
