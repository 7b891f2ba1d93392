"""Whether a failed request is sent again, and after how long."""

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
def test_a_request_is_sent_so_often_and_not_once_more(again, attempts):
    waiting = budget(attempts)

    pauses = [waiting.pause(failed(again), left=1000) for _ in range(attempts + 1)]

    assert None not in pauses[: attempts - 1]
    assert pauses[attempts - 1 :] == [None, None]


def test_what_is_not_to_be_repeated_is_not():
    assert budget().pause(failed(Again.NEVER), left=1000) is None


def test_pauses_grow_from_the_base_up_to_a_limit():
    waiting = budget(attempts=400, base_ms=100)

    pauses = [waiting.pause(failed(Again.LATER), left=1000) or 0 for _ in range(300)]

    assert pauses[0] <= 0.1
    assert max(pauses[:3]) <= 0.4
    assert LONGEST_S * 0.8 < max(pauses) <= LONGEST_S


def test_awss_wish_is_kept_and_only_if_it_fits_in_the_deadline():
    asked = failed(Again.LATER, retry_after=3)

    pause = budget(base_ms=100).pause(asked, left=4)

    assert pause is not None
    assert 3 <= pause <= 3.1
    assert budget(base_ms=100).pause(asked, left=3.1) is None


def test_there_is_no_pause_that_leaves_no_time_for_the_request():
    assert budget(base_ms=1).pause(failed(Again.LOST), left=0.2) is None
