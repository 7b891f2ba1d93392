"""The command id in a response is the id of the command's audit records."""

from contracts.outcomes import Result
from tests.auditor import Auditor
from tests.stack import Stack, eventually


def test_the_id_in_a_response_is_the_id_in_the_audit_also_with_a_504(
    stack: Stack,
) -> None:
    gateway, [worker] = stack.serving()
    impatient = stack.gateway(PLT_DEADLINE_MS="commands=1000")
    eventually(lambda: impatient.attended_by(1), what="the second gateway knows the worker")
    with Auditor(stack.amqp_url) as auditor:
        done = gateway.scale("hello", 4)
        absent = gateway.scale("nobody", 4)
        worker.freeze()
        late = impatient.scale("hello", 9)
        worker.kill()

        assert [each.status_code for each in (done, absent, late)] == [200, 404, 504]
        results = [
            auditor.final(each.headers["command-id"]).result for each in (done, absent, late)
        ]

    assert results == [Result.DONE, Result.FAILED, Result.EXPIRED]
    for response in (absent, late):
        assert response.json()["commandId"] == response.headers["command-id"]


def test_a_repeat_with_an_idempotency_key_has_its_own_id(stack: Stack) -> None:
    gateway, _ = stack.serving()
    path, headers = "/k8s/controllers/default/nobody", {"idempotency-key": "once"}
    with Auditor(stack.amqp_url) as auditor:
        first, second = [
            gateway.http.post(path, json={"replicas": 2}, headers=headers) for _ in range(2)
        ]
        ids = [each.headers["command-id"] for each in (first, second)]
        eventually(lambda: auditor.of(ids[1]), what="the repeat is recorded")

        assert auditor.final(ids[1]).repeats == ids[0]
    assert ids[0] != ids[1]
    assert [each.json()["commandId"] for each in (first, second)] == ids
