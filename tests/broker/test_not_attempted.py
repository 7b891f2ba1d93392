"""Promise 2: a 503 means that nothing was attempted and nothing will be."""

from collections.abc import Callable

from tests.producer import announcement, publish, scale_event
from tests.scalings import written
from tests.stack import PATIENT, Stack, eventually


def test_a_command_without_a_worker_is_refused_at_once_and_never_runs(stack: Stack) -> None:
    gateway, [worker] = stack.serving()
    assert gateway.scale("hello", 4).status_code == 200
    worker.terminate()
    worker.ended()
    eventually(lambda: gateway.attended_by(0), what="the worker is detached")
    stack.sandbox.calls.clear()

    # If the gateway published the command, the status would be 504 after the deadline.
    answer = gateway.scale("hello", 9)

    assert answer.status_code == 503
    assert answer.json()["code"] == "provider_unattended"
    assert int(answer.headers["retry-after"]) >= 1
    stack.worker()
    eventually(lambda: gateway.attended_by(1), what="a new worker is attached")
    assert gateway.scale("hello", 6).status_code == 200
    assert written(stack.sandbox) == [6]


def test_a_provider_without_workers_is_unattended_if_expected_else_unknown(
    stack: Stack,
) -> None:
    gateway = stack.gateway(PLT_PROVIDERS="k8s")

    expected = gateway.get("/k8s/machines/default")
    stranger = gateway.get("/ecs/machines/default")

    assert (expected.status_code, expected.json()["code"]) == (503, "provider_unattended")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "unknown_provider")
    assert "k8s" in stranger.json()["message"]


def test_a_query_in_flight_when_the_last_worker_dies_is_answered_before_its_deadline(
    stack: Stack,
) -> None:
    gateway, [worker] = stack.serving(PLT_DEADLINE_MS="queries=50000")
    asking = stack.held_query(gateway)

    worker.kill()

    # The status at the deadline would be 504.
    eventually(lambda: not asking.is_waiting, what="the query is answered")
    assert asking.response().status_code == 503


def test_a_full_queue_refuses_commands(stack: Stack, limit_queues: Callable[..., None]) -> None:
    gateway, [worker] = stack.serving()
    partitions = r"^machinist\.k8s\.commands"
    limit_queues(partitions, max_length=1)
    worker.kill()  # a frozen worker would still take thousands of commands from the queue

    def is_full() -> bool:
        """Publish several events, because the broker enforces max-length with a delay."""
        return publish(stack.amqp_url, [scale_event("hello", n) for n in range(20)]) > 0

    eventually(is_full, what="the queue is full")

    publish(stack.amqp_url, [announcement()])
    answer = gateway.scale("hello", 777)

    assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    stack.worker()
    limit_queues(partitions, max_length=1000)
    eventually(
        lambda: gateway.scale("hello", 778).status_code == 200,
        what="the queue accepts commands again",
    )
    assert 777 not in written(stack.sandbox)


def test_a_command_on_a_blocked_broker_is_refused_with_its_own_code(stack: Stack) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS="3000")
    stack.node.ctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        # The broker sends connection.blocked after the first publish.
        eventually(
            lambda: gateway.scale("hello", 7).json().get("code") == "broker_blocked",
            what="the gateway knows that the broker is blocked",
        )
    finally:
        stack.node.ctl("set_vm_memory_high_watermark", "0.4")
    eventually(
        lambda: gateway.scale("hello", 3).status_code == 200, what="the memory alarm is cleared"
    )


def test_requests_over_the_in_flight_limit_are_refused(stack: Stack) -> None:
    gateway, _ = stack.serving(PLT_IN_FLIGHT="1", PLT_DEADLINE_MS=PATIENT)
    asking = stack.held_query(gateway)

    answer = gateway.get("/k8s/machines/default")

    assert asking.response().status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_busy")
