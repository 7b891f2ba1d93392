"""An unsealed body that may hold a secret is neither copied to a dead letter nor logged."""

import logging

import msgspec
import pytest

from contracts import api, wire
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.records import dead_letters
from contracts.resources import Object
from contracts.seal import Seals
from tests.calls import ample
from tests.examples import EXAMPLES, message_of, workload
from worker.dispatch import Dispatch
from worker.provider import Call

PULL = {"registry": "registry.example", "username": "ci", "password": "hunter2secret"}
SECRET = wire.encode(EXAMPLES["apply_secret"])
SCALE = wire.encode(EXAMPLES["update_controller_replicas"])
PLAIN = wire.encode(EXAMPLES["apply_workload"])
PULLED = msgspec.json.encode({"scope": "default", "workload": workload(pullSecret=PULL)})
SEALED = Seals([b"k" * 32]).seal(SECRET, "apply_secret", "secrets.default.hello")


def kept(name: str, body: bytes) -> bool:
    """Tell whether the dead letter of a message keeps its body."""
    message = message_of(EXAMPLES["apply_secret"], type=name, body=body)
    letter = dead_letters.dead_letter(message, "a reason", "a queue", "worker/test")
    assert letter.body in {body, dead_letters.NOT_KEPT}
    assert (letter.content_type == wire.JSON) == (letter.body == body)
    return letter.body == body


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("apply_secret", SECRET),
        ("apply_secret", SECRET[:-1]),
        ("apply_secret", b"hunter2"),
        ("apply_workload", PULLED),
        ("apply_workload", PULLED[:-1]),
        ("aply_secret", SECRET),
        ("", PULLED),
        ("", SECRET[:-1]),
        ("", b"[1]"),
    ],
)
def test_a_body_that_may_hold_a_secret_is_not_kept(name, body):
    assert not kept(name, body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("apply_secret", SEALED),
        ("", SEALED),
        ("apply_workload", PLAIN),
        ("update_controller_replicas", SCALE),
        ("update_controller_replicas", SCALE[:-1]),
        ("update_controler_replicas", SCALE),
    ],
)
def test_a_sealed_body_or_one_without_secrets_is_kept(name, body):
    assert kept(name, body)


class Broken:
    """A provider with a bug whose exception contains request values."""

    async def apply_controller(self, operation: api.ApplyController, call: Call) -> Object:
        raise KeyError(PULL["password"], operation.scope)

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        raise KeyError(f"no {operation.name}")


@pytest.mark.parametrize(
    ("name", "is_logged"), [("apply_controller", False), ("delete_controller", True)]
)
async def test_a_bug_in_a_sealed_operation_is_logged_without_values(caplog, name, is_logged):
    dispatch = Dispatch("k8s", Broken(), Seals([]))

    with pytest.raises(Fault) as raised:
        await dispatch.perform(EXAMPLES[name], ample())

    assert raised.value.code is Code.INTERNAL
    assert "test_open_bodies.py" in caplog.text
    assert "KeyError" in caplog.text
    assert ("no hello" in caplog.text) == is_logged
    assert PULL["password"] not in caplog.text
    assert OPERATIONS[name].row.seal != is_logged
    assert caplog.records[-1].levelno == logging.ERROR
