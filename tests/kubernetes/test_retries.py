"""The decision whether and when a failed request is sent again."""

import pytest

from contracts.faults import Code
from worker.providers.k8s.api.errors import Again, Failure
from worker.providers.k8s.api.retries import REPEATS, RetryBudget


def failed(again: Again, retry_after: int | None = None) -> Failure:
    return Failure(Code.PLATFORM_FAILED, "x", again=again, retry_after=retry_after)


@pytest.mark.parametrize("again", [each for each in Again if REPEATS[each]])
def test_a_request_is_repeated_up_to_its_limit(again):
    budget = RetryBudget()

    pauses = [budget.pause(failed(again), left=1000) for _ in range(REPEATS[again] + 2)]

    assert None not in pauses[: REPEATS[again]]
    assert pauses[REPEATS[again] :] == [None, None]


def test_a_failure_without_retries_is_not_repeated():
    assert RetryBudget().pause(failed(Again.NEVER), left=1000) is None


def test_retry_after_is_obeyed_if_it_fits_in_the_deadline():
    asked = failed(Again.LATER, retry_after=3)

    pause = RetryBudget().pause(asked, left=4)

    assert pause is not None
    assert 3 <= pause <= 3.1
    assert RetryBudget().pause(asked, left=3.1) is None


def test_pauses_grow_up_to_a_limit():
    budget = RetryBudget()

    pauses = [budget.pause(failed(Again.CONFLICT), left=1000) or 0 for _ in range(200)]

    assert max(pauses[:1]) <= 0.1
    assert max(pauses[:3]) <= 0.4
    assert 1.5 < max(pauses) <= 2.0


def test_retries_are_counted_separately_for_each_cause():
    budget = RetryBudget()
    for _ in range(REPEATS[Again.LOST]):
        budget.pause(failed(Again.LOST), left=1000)

    assert budget.pause(failed(Again.LOST), left=1000) is None
    assert budget.pause(failed(Again.LATER), left=1000) is not None


@pytest.mark.parametrize("again", [each for each in Again if REPEATS[each] > 1])
def test_no_failure_is_retried_more_than_once_without_a_pause(again):
    budget = RetryBudget()

    pauses = [budget.pause(failed(again), left=1000) or 0 for _ in range(REPEATS[again])]

    assert all(pauses)
