"""The retry of a dead letter: its key, its body, its context, and what is refused."""

from typing import Any

import msgspec
import pytest

from contracts import address, api, wire
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.records import dead_letters
from contracts.seal import SEALED, Seals
from contracts.wire import Message
from gateway.console.dead.retrying import Retry, retry_of, with_replicas
from tests.examples import EXAMPLES, SCOPE, message_of

SCALE = api.UpdateControllerReplicas(scope=SCOPE, name="hello", replicas=3)
KEYS, NO_KEYS = Seals([bytes(32)]), Seals([])
QUEUE = "machinist.k8s.commands.0"


def letter(
    operation: Operation[Any] = SCALE, queue: str = QUEUE, reason: str = "dead", **what: Any
) -> Message:
    """Return the dead letter of a command."""
    return dead_letters.dead_letter(message_of(operation, **what), reason, queue, "worker/test")


def sealed(operation: Operation[Any]) -> Message:
    """Return the dead letter of a command with a sealed body."""
    body = KEYS.seal(wire.encode(operation), operation.row.name, address.address(operation))
    return letter(operation, body=body, content_type=SEALED)


def retried(message: Message, body: bytes | None = None, seals: Seals = NO_KEYS) -> Retry:
    return retry_of(message, "new", seals, body)


def test_a_retry_has_a_new_id_names_the_dead_command_and_no_requester():
    retry = retried(letter(headers={"requested-by": "icc", "mine": "x"}))

    assert retry.context.command_id == "new"
    assert retry.context.headers() == {"retries": "1f0e"}
    assert (retry.provider, retry.request.body) == ("k8s", wire.encode(SCALE))


@pytest.mark.parametrize("key", ["k8s.7.controllers.default.hello", "x", "", "ecs.0.a.b.c"])
def test_a_wrong_routing_key_is_corrected_by_the_body_and_the_queue(key):
    expected = address.routing_key("k8s", SCALE.row, address.address(SCALE))

    assert retried(letter(key=key)).request.key == expected


def test_without_a_partition_the_provider_is_that_of_the_key():
    key = address.routing_key("ecs", SCALE.row, address.address(SCALE))

    assert retried(letter(key=key, queue="machinist.ended")).provider == "ecs"


def test_an_idempotency_key_is_kept_for_the_same_body_only():
    kept = letter(headers={"idempotency-key": "k"})

    assert retried(kept).context.idempotency_key == "k"
    assert retried(kept, wire.encode(SCALE)).context.idempotency_key is None


def test_an_edited_body_decides_on_the_partition():
    other = msgspec.structs.replace(SCALE, name="other")

    retry = retried(letter(), wire.encode(other))

    assert retry.request.key == address.routing_key("k8s", other.row, address.address(other))


def test_the_number_of_replicas_is_replaced():
    body = with_replicas(wire.encode(SCALE), "update_controller_replicas", 7)

    assert wire.decode("update_controller_replicas", body) == msgspec.structs.replace(
        SCALE, replicas=7
    )


def test_a_sealed_body_is_sent_as_it_is_without_its_key():
    message = sealed(EXAMPLES["apply_secret"])

    request = retried(msgspec.structs.replace(message, key="k8s.0.secrets.default.hello")).request

    assert (request.body, request.content_type) == (message.body, SEALED)
    assert request.key == message_of(EXAMPLES["apply_secret"]).key


def test_a_sealed_body_is_opened_and_sealed_again_with_its_key():
    message = sealed(EXAMPLES["apply_secret"])

    request = retried(message, seals=KEYS).request

    assert request.content_type == SEALED
    assert request.body != message.body


@pytest.mark.parametrize(
    ("message", "body", "code"),
    [
        (letter(type="update_controller_replica"), None, Code.NOT_UNDERSTOOD),
        (letter(EXAMPLES["get_machines"]), None, Code.INVALID),
        (letter(body=b"?"), None, Code.INVALID),
        (letter(body=b"[]"), None, Code.INVALID),
        (letter(), b'{"scope":"default","name":"hello","replica":3}', Code.INVALID),
        (letter(), b'{"scope":"default","name":"hello","replicas":"3"}', Code.INVALID),
        (letter(EXAMPLES["apply_secret"]), None, Code.INVALID),  # its body was not kept
        (letter(key="", queue="machinist.ended"), None, Code.INVALID),
        (sealed(EXAMPLES["apply_secret"]), b"{}", Code.INVALID),
        (
            sealed(EXAMPLES["apply_controller"]),
            wire.encode(EXAMPLES["apply_controller"]),
            Code.SEALING_NOT_CONFIGURED,
        ),
    ],
)
def test_an_invalid_command_is_refused_before_it_is_published(message, body, code):
    with pytest.raises(Fault) as raised:
        retried(message, body)

    assert raised.value.code == code


def test_other_operations_have_no_replicas():
    with pytest.raises(Fault, match="delete_service has no member replicas"):
        with_replicas(b"{}", "delete_service", 1)
