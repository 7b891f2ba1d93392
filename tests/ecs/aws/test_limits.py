"""The rate limits, with a clock that tests set."""

import pytest

from worker.providers.ecs.aws.limits import GROUPS, Bucket, Limits, Rate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(clock)


def drain(limits: Limits, action: str, times: int) -> list[float]:
    return [limits.take(action) for _ in range(times)]


@pytest.mark.parametrize(
    ("action", "burst", "per_second"),
    [
        ("ecs:DescribeTasks", 100, 20),
        ("ecs:ListTasks", 100, 20),
        ("ecs:DescribeServices", 100, 20),
        ("ecs:UpdateService", 50, 5),
        ("ecs:TagResource", 20, 10),
        ("ecs:RegisterTaskDefinition", 20, 1),
        ("elasticloadbalancing:DescribeRules", 40, 10),
    ],
)
def test_a_burst_is_sent_at_once_and_the_rest_at_the_sustained_rate(
    limits, clock, action, burst, per_second
):
    waits = drain(limits, action, burst + per_second)

    assert waits[:burst] == [0.0] * burst
    assert waits[burst:] == pytest.approx([n / per_second for n in range(1, per_second + 1)])


def test_requests_of_one_group_are_counted_together(limits):
    drain(limits, "ecs:ListTasks", 60)
    drain(limits, "ecs:DescribeTasks", 40)

    assert limits.take("ecs:ListTasks") == pytest.approx(1 / 20)


def test_groups_are_independent(limits):
    drain(limits, "ecs:DescribeTasks", 500)

    assert limits.take("ecs:DescribeServices") == 0


def test_a_bucket_refills_up_to_its_burst(limits, clock):
    drain(limits, "ecs:UpdateService", 50)
    clock.now += 1

    assert drain(limits, "ecs:UpdateService", 5) == [0.0] * 5
    assert limits.wait("ecs:UpdateService") > 0
    clock.now += 3600
    assert drain(limits, "ecs:UpdateService", 51)[-1] > 0


def test_wait_takes_no_token(limits):
    drain(limits, "ecs:UpdateService", 49)

    assert [limits.wait("ecs:UpdateService") for _ in range(3)] == [0, 0, 0]
    assert limits.take("ecs:UpdateService") == 0


def test_the_token_of_an_unsent_request_can_be_returned(limits):
    drain(limits, "ecs:UpdateService", 51)
    limits.give_back("ecs:UpdateService")

    assert limits.wait("ecs:UpdateService") == pytest.approx(1 / 5)


def test_an_action_that_aws_throttled_waits_for_the_sustained_rate(limits, clock):
    limits.throttled("ecs:UpdateService")

    assert limits.take("ecs:UpdateService") == pytest.approx(1 / 5)
    clock.now += 10
    assert limits.take("ecs:UpdateService") == 0


def test_an_action_without_a_documented_rate_is_not_delayed(limits):
    assert drain(limits, "secretsmanager:CreateSecret", 1000) == [0.0] * 1000
    limits.throttled("secretsmanager:CreateSecret")
    limits.give_back("secretsmanager:CreateSecret")
    assert limits.wait("secretsmanager:CreateSecret") == 0


def test_no_action_is_in_two_groups():
    actions = [action for _, group in GROUPS for action in group]

    assert len(actions) == len(set(actions))


def test_waits_add_up_while_the_clock_stands_still():
    bucket = Bucket(Rate(1, 2), 0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]
