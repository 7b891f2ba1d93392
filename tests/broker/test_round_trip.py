"""Requests through gateway, broker and worker, and graceful shutdown."""

from tests.stack import PATIENT, Stack, eventually


def test_machines_are_listed_through_the_broker(stack: Stack) -> None:
    gateway, _ = stack.serving()

    answer = gateway.get("/k8s/machines/default?labels=app.kubernetes.io%2Fname%3Dhello")

    assert answer.status_code == 200
    assert {machine["controller"]["name"] for machine in answer.json()} == {"hello"}


def test_scaling_is_one_write_with_its_effect_visible_on_response(stack: Stack) -> None:
    gateway, _ = stack.serving()
    stack.sandbox.calls.clear()

    answer = gateway.scale("hello", 5)

    assert answer.status_code == 200
    assert answer.json()["replicas"] == 5
    assert len(stack.sandbox.calls.writes()) == 1
    assert gateway.get("/k8s/controllers/default/hello").json()["controller"]["replicas"] == 5


def test_ready_lists_the_attached_workers_with_start_and_version(stack: Stack) -> None:
    gateway, _ = stack.serving(workers=2)

    def attached() -> list[dict[str, object]]:
        body = gateway.get("/ready").json()
        workers: list[dict[str, object]] = body["providers"]["k8s"]["workers"]
        return workers

    eventually(lambda: len(attached()) == 2, what="both workers are attached")
    assert all(worker["version"] and worker["since"] for worker in attached())


def test_two_providers_of_one_platform_are_separate(stack: Stack) -> None:
    stack.worker(PLT_PROVIDER_NAME="k8s-eu1")
    gateway, _ = stack.serving(PLT_PROVIDERS="k8s,k8s-us2")
    eventually(lambda: gateway.get("/k8s-eu1/machines/default").status_code == 200)

    assert gateway.get("/k8s/machines/default").status_code == 200
    assert gateway.get("/k8s-us2/machines/default").status_code == 503
    assert gateway.get("/k8s-us3/machines/default").status_code == 404


def test_a_terminated_worker_finishes_its_query(stack: Stack) -> None:
    gateway, [worker] = stack.serving(PLT_DEADLINE_MS=PATIENT)
    asking = stack.held_query(gateway)

    worker.terminate()
    eventually(lambda: gateway.attended_by(0), what="the worker is detached")

    assert asking.response().status_code == 200
    assert worker.ended() == 0


def test_a_terminated_gateway_answers_its_requests(stack: Stack) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS=PATIENT)
    asking = stack.held_query(gateway)

    gateway.terminate()
    eventually(lambda: gateway.ready() == {}, what="the gateway does not listen")

    assert asking.response().status_code == 200
    assert gateway.ended() == 0


def test_a_terminated_worker_releases_its_partitions_before_its_last_query_ends(
    stack: Stack,
) -> None:
    gateway, [first] = stack.serving(PLT_DEADLINE_MS=PATIENT)
    assert gateway.scale("hello", 4).status_code == 200
    asking = stack.held_query(gateway, times=1)
    stack.worker()
    eventually(lambda: gateway.attended_by(2), what="another worker is attached")

    first.terminate()
    eventually(lambda: gateway.attended_by(1), what="the first worker is detached")
    answer = gateway.scale("hello", 5)

    assert answer.status_code == 200
    assert asking.is_waiting, "the command ran only after the query ended"
    asking.response()
    assert first.ended() == 0
