"""Token buckets for the request rates that AWS documents for an account.

ECS: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
ELB: https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html
The tag index: https://docs.aws.amazon.com/tag-editor/latest/userguide/reference.html
Cloud Map documents a rate for DiscoverInstances alone, which is not used here.
"""

import time
from collections.abc import Callable

from msgspec import Struct


class Rate(Struct, frozen=True):
    """A rate limit of AWS: a bucket of `burst` requests that is refilled by `per_second`."""

    burst: int
    per_second: int


GROUPS: tuple[tuple[Rate, tuple[str, ...]], ...] = (
    (Rate(100, 20), ("ecs:DescribeTasks", "ecs:ListTasks")),
    (Rate(100, 20), ("ecs:DescribeServices", "ecs:ListServices")),
    (Rate(50, 5), ("ecs:CreateService", "ecs:UpdateService", "ecs:DeleteService")),
    (Rate(20, 10), ("ecs:TagResource", "ecs:UntagResource")),
    (Rate(50, 20), ("ecs:ListTagsForResource",)),
    (Rate(100, 40), ("ecs:RunTask", "ecs:StopTask", "ecs:StartTask")),
    (Rate(20, 1), ("ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition")),
    (Rate(5, 1), ("ecs:DeleteTaskDefinitions",)),
    (Rate(50, 20), ("ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions")),
    (Rate(50, 20), ("ecs:DescribeClusters", "ecs:ListClusters")),
    (Rate(15, 15), ("tag:GetResources",)),
    (
        Rate(40, 10),
        (
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
    ),
)
"""Actions that AWS counts together, per account and region. Other actions have
no bucket, and are only retried after AWS throttled them."""


class Bucket:
    """The token bucket of one group; later requests wait in order."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = float(rate.burst)
        self._since = now

    def take(self, now: float) -> float:
        """Take one request and return the seconds to wait before it is sent."""
        wait = self.wait(now)
        self._level -= 1
        return wait

    def wait(self, now: float) -> float:
        """Return the delay in seconds of a request that is taken now."""
        self._fill(now)
        return max(0.0, (1 - self._level) / self._rate.per_second)

    def give_back(self) -> None:
        """Return a request that was taken and not sent."""
        self._level += 1

    def empty(self, now: float) -> None:
        """Empty the bucket after AWS throttled a request: others use the same account."""
        self._fill(now)
        self._level = min(self._level, 0.0)

    def _fill(self, now: float) -> None:
        filled = self._level + (now - self._since) * self._rate.per_second
        self._level = min(float(self._rate.burst), filled)
        self._since = now


class Limits:
    """The buckets of one account and region."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        now = clock()
        self._buckets = {
            action: bucket
            for bucket, actions in ((Bucket(rate, now), actions) for rate, actions in GROUPS)
            for action in actions
        }

    def wait(self, action: str) -> float:
        """Return the delay in seconds of a request for an action that is taken now."""
        bucket = self._buckets.get(action)
        return bucket.wait(self._clock()) if bucket else 0.0

    def take(self, action: str) -> float:
        """Take a request for an action and return the seconds to wait before it is sent."""
        bucket = self._buckets.get(action)
        return bucket.take(self._clock()) if bucket else 0.0

    def give_back(self, action: str) -> None:
        """Return a request that was taken and not sent."""
        if bucket := self._buckets.get(action):
            bucket.give_back()

    def throttled(self, action: str) -> None:
        """Note that AWS throttled a request for an action."""
        if bucket := self._buckets.get(action):
            bucket.empty(self._clock())
