"""Promises 3 and 4: no command starts after its deadline, wherever the message waited."""

from tests.scalings import written
from tests.stack import HELD_S, PATIENT, Stack, eventually, in_thread


def test_a_command_that_expired_in_a_frozen_worker_never_runs(
    stack: Stack,
) -> None:
    gateway, [worker] = stack.serving()
    impatient = stack.gateway(PLT_DEADLINE_MS="commands=1000")
    eventually(lambda: impatient.attended_by(1), what="the second gateway knows the worker")
    assert gateway.scale("hello", 4).status_code == 200
    stack.sandbox.calls.clear()
    worker.freeze()

    answer = impatient.scale("hello", 9)

    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    worker.thaw()
    assert gateway.scale("hello", 5).status_code == 200
    assert written(stack.sandbox) == [5]


def test_a_command_that_expired_behind_a_slow_one_never_runs(
    stack: Stack,
) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS=PATIENT)
    impatient = stack.gateway(PLT_DEADLINE_MS="commands=500")
    assert impatient.get("/k8s/machines/default").status_code == 200
    slow = stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=HELD_S, times=1)
    first = gateway.http.build_request(
        "POST", "/k8s/controllers/default/hello?kind=Deployment", json={"replicas": 4}
    )

    asking = in_thread(lambda: gateway.http.send(first))
    eventually(lambda: stack.sandbox.calls.count("PATCH"), what="the first runs")
    late = impatient.scale("hello", 9)
    slow.delay = 0

    assert asking.result().status_code == 200
    assert late.status_code == 504
    assert gateway.scale("hello", 5).status_code == 200
    assert written(stack.sandbox) == [4, 5]


def test_a_platform_call_is_cancelled_at_the_deadline(stack: Stack) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS="queries=1000")
    # Without the cancellation the status would be 200, or the client would time out.
    stack.sandbox.faults.add(method="GET", path="/pods", delay=30, times=1)

    answer = gateway.get("/k8s/machines/default")

    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    eventually(lambda: gateway.get("/k8s/machines/default").status_code == 200)
