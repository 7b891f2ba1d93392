"""Promise 5: commands of an address take effect in publish order and never concurrently.

The tests in tests/history check the promise while workers are killed and the broker restarts.
"""

import time
from collections import defaultdict
from itertools import pairwise

import pytest

from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.producer import lasting_event, publish, scale_event
from tests.scalings import scalings
from tests.stack import PATIENT, Stack, eventually


def writes_by_name(sandbox: KubernetesSandbox) -> dict[str, list[tuple[int, Call]]]:
    """Return the written replicas by controller, in the order of arrival at the platform."""
    written: dict[str, list[tuple[int, Call]]] = defaultdict(list)
    for replicas, call in scalings(sandbox):
        written[call.path.rpartition("/")[2]].append((replicas, call))
    return written


def assert_in_order(written: list[tuple[int, Call]]) -> None:
    """Assert publish order; a repeated value is a command that was run again."""
    values = [value for value, _ in written]
    assert values == sorted(values), values


def assert_no_overlap(written: list[tuple[int, Call]]) -> None:
    """Assert that calls do not overlap, except calls in flight when their worker was killed."""
    for (_, former), (_, latter) in pairwise(written):
        if former.status is not None:
            assert former.t_end is not None
            assert former.t_end <= latter.t_start


@pytest.fixture
def names(sandbox: KubernetesSandbox) -> list[str]:
    names = [f"app-{number}" for number in range(40)]
    for name in names:
        sandbox.add_deployment(name, replicas=0)
    return names


def test_a_frozen_worker_never_overlaps_with_its_successor(stack: Stack, names: list[str]) -> None:
    first = stack.worker()
    gateway = stack.gateway()
    eventually(lambda: gateway.attended_by(1), what="the first worker owns every partition")
    stack.sandbox.faults.add(method="PATCH", delay=0.2, times=None)
    stack.sandbox.calls.clear()
    rounds = range(1, 31)
    publish(stack.amqp_url, [lasting_event(name, n) for n in rounds for name in names[:8]])
    eventually(lambda: len(stack.sandbox.calls) > 40, what="commands run")

    first.freeze()
    stack.worker()
    frozen_at = time.monotonic()
    calls = len(stack.sandbox.calls) + 8
    eventually(lambda: len(stack.sandbox.calls) > calls, what="the successor took over")
    assert time.monotonic() - frozen_at > 15, "the broker hands over after two heartbeats"
    first.thaw()

    def last_values() -> set[int]:
        return {written[-1][0] for written in writes_by_name(stack.sandbox).values()}

    eventually(lambda: last_values() == {30}, what="the last command of every controller has run")
    for written in writes_by_name(stack.sandbox).values():
        assert_in_order(written)
        assert_no_overlap(written)


def test_another_worker_answers_a_query_whose_worker_was_killed(stack: Stack) -> None:
    gateway, [first] = stack.serving(PLT_DEADLINE_MS=PATIENT)
    asking = stack.held_query(gateway, times=1)
    stack.worker()
    eventually(lambda: gateway.attended_by(2), what="another worker is attached")

    first.kill()

    assert asking.response().status_code == 200


def test_partitions_spread_over_later_workers(stack: Stack, names: list[str]) -> None:
    gateway, _ = stack.serving()
    publish(stack.amqp_url, [scale_event(name, 1) for name in names])

    def owned() -> list[int]:
        providers = gateway.ready().get("providers")
        assert isinstance(providers, dict)
        return [len(worker["partitions"]) for worker in providers["k8s"]["workers"]]

    eventually(lambda: owned() == [8], what="the only worker owns every partition")
    stack.worker()
    eventually(lambda: gateway.attended_by(2), what="a second worker is attached")

    # The gateway checks every partition, which makes the second worker announce its partitions.
    eventually(lambda: sorted(owned()) == [4, 4], what="each worker owns four partitions")
