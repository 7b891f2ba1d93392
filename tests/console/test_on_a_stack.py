"""Operators' commands on a broker with a worker: calls, retries, and the removal of a provider."""

import json
from base64 import b64encode
from collections.abc import Iterator

import msgspec
import pytest

from contracts import address, topology, wire
from contracts.api import UpdateControllerReplicas
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.outcomes import Result
from contracts.records import dead_letters
from contracts.seal import SEALED, Seals
from contracts.wire import Message
from deploy.rabbitmq.configuration import USER
from gateway.console.__main__ import main
from tests.auditor import Auditor
from tests.broker.attempts import run_session
from tests.broker.test_recorder import waiting
from tests.console.conftest import Run
from tests.examples import EXAMPLES, message_of
from tests.producer import publish, scale_event
from tests.stack import Stack, eventually

FORMER = "k8s-old"


def declare_provider(amqp_url: str, name: str) -> None:
    async def session(connection: Connection) -> None:
        await declare(connection, topology.of_provider(name))

    run_session(amqp_url, session)


@pytest.fixture
def broker(broker: str) -> str:
    """The broker of the console's environment, with the queues of a provider."""
    declare_provider(broker, "k8s")
    return broker


@pytest.fixture
def serving(stack: Stack, broker: str) -> Iterator[Auditor]:
    """A worker on the broker of the console's environment, and a reader of its outcomes."""
    with Auditor(broker) as auditor:
        _, _ = stack.serving()
        yield auditor


def letter(message_id: str = "m1", **what: object) -> Message:
    """Return the dead letter of a scaling of `hello` to 4 with a wrong routing key."""
    command = msgspec.structs.replace(
        scale_event("hello", 4), message_id=message_id, key="k8s.7.controllers.x", **what
    )
    queue = topology.partition_queue("k8s", 7)
    return dead_letters.dead_letter(command, "a wrong routing key", queue, "worker/test")


def test_queries_and_scalings_are_answered_without_a_gateway(
    stack: Stack, broker: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.worker()
    eventually(lambda: main(["get", "machines", "default"]) == 0, what="the worker answers")
    capsys.readouterr()

    machines = run("get", "machines", "default", "-l", "app.kubernetes.io/name=hello")
    listed = json.loads(run("get", "machines", "default", "--json")[0])
    scaled = run("scale", "default", "hello", "3", "--kind", "Deployment")
    controller = run("get", "controller", "default", "hello")

    assert [row.split()[1:3] for row in machines[1:]] == [["Running", "yes"]] * 2
    assert {row.split()[0] for row in machines[1:]} < {each["id"] for each in listed}
    assert scaled[1].split()[:3] == ["hello", "Deployment", "3"]
    assert controller[1].split()[:3] == ["hello", "Deployment", "3"]
    assert "…" not in "".join([*machines, *controller])


def test_a_scaling_is_in_the_audit_under_its_printed_id_with_the_broker_user(
    stack: Stack, serving: Auditor, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", "default", "absent", "3"]) == 1

    printed = capsys.readouterr().err.splitlines()
    assert printed[1].startswith("machinist: 404 not_found: ")
    identity = printed[0].removeprefix("Command-Id: ")
    eventually(lambda: len(serving.of(identity)) == 2, what="the outcome is recorded")
    assert [(each.result, each.requested_by) for each in serving.of(identity)] == [
        (Result.STARTED, USER),
        (Result.FAILED, USER),
    ]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [("k8s", "503 provider_unattended"), ("absent", "404 unknown_provider")],
)
def test_without_a_worker_the_error_is_that_of_a_gateway(
    broker: str, provider: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "machines", "default", "--provider", provider, "--json"]) == 1

    shown = capsys.readouterr()
    assert f"machinist: {expected}: " in shown.err
    assert json.loads(shown.out)["code"] == expected.partition(" ")[2]


def test_a_retry_corrects_the_key_removes_the_letter_and_names_it_in_the_audit(
    stack: Stack, broker: str, serving: Auditor, run: Run
) -> None:
    publish(broker, [letter(), letter("m2")])

    [line] = run("dead", "retry", "m1", "--replicas", "5", "--json")

    retried = json.loads(line)
    assert (retried["id"], retried["status"], retried["removed"]) == ("m1", 200, True)
    assert retried["body"]["replicas"] == 5
    eventually(lambda: len(serving.of(retried["commandId"])) == 2, what="the outcome is recorded")
    request = serving.of(retried["commandId"])[0].request
    assert request is not None
    assert (request.retries, request.exchange) == ("m1", topology.COMMANDS)
    assert [row.split()[2] for row in run("dead", "list")[1:]] == ["m2"]


def test_all_selected_letters_are_retried_in_their_order_and_the_invalid_ones_stay(
    stack: Stack, broker: str, serving: Auditor, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    other = UpdateControllerReplicas(scope="default", name="hello", replicas=2)
    publish(broker, [letter()])
    publish(broker, [letter("m2", body=msgspec.json.encode(other))])
    publish(broker, [letter("m3", body=b"?")])

    assert main(["dead", "retry", "--all", "--reason", "routing", "--yes", "--json"]) == 1

    shown = capsys.readouterr()
    assert [json.loads(line)["id"] for line in shown.out.splitlines()] == ["m1", "m2"]
    assert "m3 cannot be retried as it is: expected a JSON object" in shown.err
    assert "hello" in run("get", "controller", "default", "hello")[1]
    assert run("get", "controller", "default", "hello")[1].split()[2] == "2"
    assert [row.split()[2] for row in run("dead", "list")[1:]] == ["m3"]


def test_a_letter_stays_if_nothing_was_attempted(
    broker: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(broker, [letter()])

    assert main(["dead", "retry", "m1"]) == 1

    assert "503" in capsys.readouterr().out
    assert len(run("dead", "list")) == 2


def test_a_letter_stays_while_the_platform_cannot_be_reached(
    stack: Stack, broker: str, serving: Auditor, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(broker, [letter()])
    stack.sandbox.faults.add(method="PATCH", path="/hello", status=503)

    assert main(["dead", "retry", "m1"]) == 1

    assert "platform_failed" in capsys.readouterr().out
    assert len(run("dead", "list")) == 2


def test_a_sealed_command_is_retried_without_the_key_and_its_reply_stays_sealed(
    stack: Stack, broker: str, run: Run
) -> None:
    key = bytes(range(32))
    operation = EXAMPLES["apply_secret"]
    command = message_of(operation, message_id="m1", key="k8s.7.secrets.default.hello")
    body = Seals([key]).seal(wire.encode(operation), "apply_secret", "secrets.default.hello")
    sealed = msgspec.structs.replace(command, body=body, content_type=SEALED)
    queue = topology.partition_queue("k8s", 7)
    publish(broker, [dead_letters.dead_letter(sealed, "a wrong key", queue, "worker/test")])
    stack.worker(PLT_SEAL_KEY=b64encode(key).decode())
    stack.gateway()
    eventually(lambda: main(["get", "machines", "default"]) == 0, what="the worker answers")

    shown = run("dead", "show", "m1")[-1]
    retried = json.loads(run("dead", "retry", "m1", "--json")[-1])

    assert shown.split()[:2] == ["body", "sealed,"]
    assert (retried["status"], retried["removed"], retried["body"]) == (200, True, "sealed")


def test_a_provider_with_a_worker_is_not_removed(
    stack: Stack, serving: Auditor, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["providers", "remove", "k8s", "--yes", "--force"]) == 1

    assert "k8s has the workers" in capsys.readouterr().err
    [line] = run("providers", "list", "k8s", "--json")
    [worker] = json.loads(line)["workers"]
    owners = {
        json.loads(line).get("owner")
        for line in run("queues", "--json")
        if ".commands." in line and "k8s" in line
    }
    assert owners == {worker["worker"]}


def test_the_queues_of_one_provider_are_listed_though_it_has_no_worker(
    serving: Auditor, broker: str, run: Run
) -> None:
    declare_provider(broker, FORMER)

    listed = [json.loads(line)["queue"] for line in run("queues", "--provider", FORMER, "--json")]

    wanted = topology.whole(topology.common(), topology.of_provider(FORMER)).queues
    assert sorted(listed) == sorted(each.name for each in wanted)


def test_a_removed_provider_is_unknown_to_gateways(stack: Stack, broker: str, run: Run) -> None:
    declare_provider(broker, FORMER)
    gateway = stack.gateway()
    assert gateway.get(f"/{FORMER}/machines/default").json()["code"] == "provider_unattended"

    [line] = run("providers", "remove", FORMER, "--yes", "--json")

    assert json.loads(line) == {"provider": FORMER, "queues": 9, "deadLetters": 0}
    eventually(
        lambda: gateway.get(f"/{FORMER}/machines/default").json()["code"] == "unknown_provider",
        what="the gateway does not know the provider",
    )


def test_waiting_commands_of_a_removed_provider_become_dead_letters_with_an_outcome(
    broker: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    declare_provider(broker, FORMER)
    events = [scale_event(f"hello-{number}", number, FORMER) for number in range(10)]
    publish(broker, events)
    identities = sorted(each.message_id for each in events)

    assert main(["providers", "remove", FORMER, "--yes"]) == 1
    assert "messages wait, machinist.k8s-old.commands." in capsys.readouterr().err

    with Auditor(broker) as auditor:
        run("providers", "remove", FORMER, "--force", "--yes")
        found = [json.loads(line) for line in run("dead", "list", "--json")]
        recorded = [outcome for _, outcome in auditor.outcomes()]

    assert sorted(each["id"] for each in found) == identities
    assert sorted(each.id for each in recorded) == identities
    assert {each.result for each in recorded} == {Result.DEAD}
    assert publish(broker, [scale_event("hello", 1, FORMER)]) == 1, "the binding is left"


def test_the_bindings_stay_if_a_command_arrived_at_the_last_moment(broker: str) -> None:
    declare_provider(broker, FORMER)
    event = scale_event("hello", 1, FORMER)
    publish(broker, [event])

    assert main(["providers", "remove", FORMER, "--yes"]) == 1

    assert publish(broker, [scale_event("hello", 2, FORMER)]) == 0
    slot = address.slot("controllers.default.hello")
    assert waiting(broker, topology.partition_queue(FORMER, slot)) == 2
