"""Promise 2: no 429 or 503 after a request with a possible effect, in the code of all providers."""

import pytest

from contracts.faults import Code, Fault
from tests.worker import virtual
from worker.attempts import Attempts, Slots, time_left
from worker.provider import Call

LIMITED = Fault(Code.PLATFORM_LIMITING, "too many requests", retry_after=3)


@pytest.mark.parametrize(
    ("changes", "arrived", "code"),
    [
        (False, True, Code.PLATFORM_LIMITING),
        (True, False, Code.PLATFORM_LIMITING),
        (True, True, Code.PLATFORM_FAILED),
    ],
)
def test_a_429_is_passed_on_unless_a_request_may_have_had_an_effect(changes, arrived, code):
    attempts = Attempts()
    attempts.count(changes=changes, arrived=arrived)

    with pytest.raises(Fault) as raised:
        attempts.give_up(LIMITED)

    assert raised.value.code is code
    assert "too many requests" in raised.value.message


def test_a_conflict_is_passed_on_after_a_request_with_an_effect():
    attempts = Attempts()
    attempts.count(changes=True)
    conflict = Fault(Code.CONFLICT, "it has changed")

    with pytest.raises(Fault) as raised:
        attempts.give_up(conflict)

    assert raised.value is conflict


@virtual.time
async def test_a_retry_waits_for_its_pause_and_without_a_pause_the_call_fails():
    attempts = Attempts()
    await attempts.wait(LIMITED, 3600)
    with pytest.raises(Fault) as raised:
        await attempts.wait(LIMITED, None)
    assert raised.value is LIMITED


async def test_hanging_changes_do_not_take_the_slots_of_reads():
    slots = Slots(1)

    async with slots.slot(changes=True):
        assert slots.slot(changes=True).locked()
        assert not slots.slot(changes=False).locked()


def test_no_request_is_sent_without_time_left():
    assert 9 < time_left(Call.within(10), "Kubernetes was asked") <= 10
    with pytest.raises(Fault) as raised:
        time_left(Call.within(-1), "Kubernetes was asked")

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert raised.value.message == "the deadline passed before Kubernetes was asked"
