"""The number of retries and the delays before them."""

import pytest

from contracts.faults import Code
from worker.providers.ecs.aws.errors import Again, Failure
from worker.providers.ecs.aws.retries import LONGEST_S, RetryBudget
from worker.providers.ecs.settings import Settings


def failed(again: Again, retry_after: int | None = None) -> Failure:
    return Failure(Code.PLATFORM_LIMITING, "x", again=again, retry_after=retry_after)


def budget(attempts: int = 4, base_ms: int = 250) -> RetryBudget:
    return RetryBudget(Settings("eu-central-1", ecs_attempts=attempts, ecs_retry_base_ms=base_ms))


@pytest.mark.parametrize("again", [Again.LOST, Again.LATER])
@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_a_request_is_sent_up_to_the_limit_of_attempts(again, attempts):
    waiting = budget(attempts)

    pauses = [waiting.pause(failed(again), left=1000) for _ in range(attempts + 1)]

    assert None not in pauses[: attempts - 1]
    assert pauses[attempts - 1 :] == [None, None]


def test_a_final_failure_is_not_retried():
    assert budget().pause(failed(Again.NEVER), left=1000) is None


def test_pauses_grow_from_the_base_up_to_a_limit():
    waiting = budget(attempts=400, base_ms=100)

    pauses = [waiting.pause(failed(Again.LATER), left=1000) or 0 for _ in range(300)]

    assert pauses[0] <= 0.1
    assert max(pauses[:3]) <= 0.4
    assert LONGEST_S * 0.8 < max(pauses) <= LONGEST_S


def test_the_delay_that_aws_asks_for_is_kept_if_the_deadline_allows_it():
    asked = failed(Again.LATER, retry_after=3)

    pause = budget(base_ms=100).pause(asked, left=4)

    assert pause is not None
    assert 3 <= pause <= 3.1
    assert budget(base_ms=100).pause(asked, left=3.1) is None


def test_no_retry_is_made_without_time_for_the_request():
    assert budget(base_ms=1).pause(failed(Again.LOST), left=0.2) is None
