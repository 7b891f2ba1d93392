"""ECS's documented request rates, enforced when a test wants them to be.

Actions of a group draw from one bucket; each has a burst and a rate per second.
"""

import time

from deploy.sandbox.aws.messages import Refusal

_GROUPS: dict[tuple[str, ...], tuple[int, int]] = {
    ("DescribeTasks", "ListTasks", "DescribeContainerInstances", "ListContainerInstances"): (
        100,
        20,
    ),
    ("DescribeServices", "ListServices"): (100, 20),
    ("CreateService", "UpdateService", "DeleteService"): (50, 5),
    ("TagResource", "UntagResource"): (20, 10),
    ("ListTagsForResource",): (50, 20),
    ("RunTask", "StartTask", "StopTask"): (100, 40),
}


class _Bucket:
    def __init__(self, burst: int, rate: int) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._at = float(burst), time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Rates:
    """Not enforced until `enforced` is set; full buckets at every start."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.enforced = False
        self._buckets: dict[str, _Bucket] = {}
        for actions, limits in _GROUPS.items():
            bucket = _Bucket(*limits)
            self._buckets |= {f"ecs:{action}": bucket for action in actions}

    def check(self, action: str) -> None:
        """Refuse what comes too fast."""
        bucket = self._buckets.get(action)
        if self.enforced and bucket is not None and not bucket.take():
            raise Refusal("ThrottlingException", "Rate exceeded")
