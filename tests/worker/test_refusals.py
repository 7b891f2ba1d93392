"""Messages that a worker does not run: not understood, not allowed, or not what they claim."""

from typing import Any

import msgspec
import pytest

from contracts import CONTRACT, topology, wire
from contracts.api import OPERATIONS
from contracts.faults import Code
from contracts.seal import SEALED, Seals
from contracts.wire import Message, Reply
from tests.examples import EXAMPLES, message_of, workload
from tests.worker.providers import Everything
from worker.dispatch import Dispatch
from worker.examination import Refusal
from worker.provider import Call

SEALS = Seals([b"k" * 32])
SCALE = message_of(EXAMPLES["update_controller_replicas"])
SECRET = message_of(EXAMPLES["apply_secret"])


class Worker:
    """A dispatch, and the provider behind it."""

    def __init__(self, seals: Seals = SEALS, **arguments: Any) -> None:
        self.provider = Everything()
        self._dispatch = Dispatch("k8s", self.provider, seals, **arguments)

    async def run(self, message: Message) -> Reply:
        """What it answers; raises its refusal."""
        return await self._dispatch.run(message, Call.within(10))

    async def refusal(self, message: Message) -> Refusal:
        """Why it does not run a message; the provider was not asked."""
        with pytest.raises(Refusal) as raised:
            await self.run(message)
        assert self.provider.asked == []
        return raised.value


def but(message: Message, **changes: Any) -> Message:
    """The message with changes."""
    return msgspec.structs.replace(message, **changes)


def sealed(message: Message, seals: Seals = SEALS) -> Message:
    """The message with its body sealed."""
    body = seals.seal(message.body, message.type, message.key.split(".", 2)[2])
    return but(message, body=body, content_type=SEALED)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (but(SCALE, type="launch_rocket"), "expected an operation of contract 1"),
        (but(SCALE, type=""), "property type: expected the name of the operation"),
        (
            but(SCALE, headers={"contract": CONTRACT + 1}),
            "header contract: expected 1, the contract of this worker, got 2",
        ),
    ],
)
async def test_what_is_not_understood_is_refused_and_not_run(message, said):
    """A caller learns it from the reply; an event, which has none, must not be lost in silence."""
    worker = Worker()

    refusal = await worker.refusal(message)

    assert (refusal.status, refusal.code) == (501, Code.NOT_UNDERSTOOD)
    assert said in refusal.message
    assert worker.provider.asked == []


@pytest.mark.parametrize("contract", ["1", "2", "", True, 1.0, None, b"1", ["1"], "x" * 100])
async def test_a_contract_that_is_no_integer_is_shown_as_what_it_is(contract):
    refusal = await Worker().refusal(but(SCALE, headers={"contract": contract}))

    assert (refusal.status, refusal.code) == (501, Code.NOT_UNDERSTOOD)
    assert refusal.message == (
        f"header contract: expected the integer {CONTRACT}, got {repr(contract)[:80]}"
    )


async def test_a_message_without_an_id_is_refused():
    refusal = await Worker().refusal(but(SCALE, message_id=""))

    assert "message_id" in refusal.message


async def test_a_message_that_names_no_contract_is_of_this_one():
    assert (await Worker().run(but(SCALE, headers={}))).status == 200


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_wrong_key_is_refused_and_the_right_one_named(name):
    """Elsewhere the command would not be in order with the others of its address."""
    message = message_of(EXAMPLES[name])
    if OPERATIONS[name].row.seal:
        message = sealed(message)
    provider, rest = message.key.split(".", 1)
    refusal = await Worker().refusal(but(message, key=f"{provider}-eu1.{rest}"))

    assert refusal.code is Code.INVALID
    assert refusal.message == f"expected the routing key {message.key}, got {provider}-eu1.{rest}"


@pytest.mark.parametrize(
    "key",
    [
        "k8s.1.controllers.default.hello",
        "k8s.controllers.default.hello",
        "k8s.0.controllers.default.hello.",
        "k8s.0.controllers.default.other",
        "k8s.0.controllers.default",
        "k8s.0",
        "k8s",
        "",
    ],
)
async def test_a_key_that_is_wrong_anywhere_is_refused(key):
    refusal = await Worker().refusal(but(SCALE, key=key))

    assert "expected the routing key k8s.0.controllers.default.hello" in refusal.message
    assert (await Worker().refusal(but(sealed(SECRET), key=key))).code in {
        Code.INVALID,
        Code.SEAL_NOT_OPENED,
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b'{"scope": "\xff"}', b"{}", b"[" * 100_000, b'{"replicas": "3"}'],
)
async def test_a_body_that_cannot_be_read_is_refused_and_the_worker_lives_on(body):
    worker = Worker()

    assert (await worker.refusal(but(SCALE, body=body))).code is Code.INVALID
    assert (await worker.run(SCALE)).status == 200


@pytest.mark.parametrize("deadline", ["soon", "1800000000000", "", True])
async def test_a_deadline_that_is_no_integer_is_refused(deadline):
    message = but(SCALE, headers={wire.HEADER_DEADLINE: deadline})

    assert (await Worker().refusal(message)).message == (
        "header deadline: expected an integer, milliseconds of the Unix epoch"
    )


async def test_a_name_of_no_platform_is_refused():
    body = msgspec.json.encode({"scope": "default", "name": "a/../b", "replicas": 1})

    assert (await Worker().refusal(but(SCALE, body=body))).message.startswith("name: expected")


async def test_a_secret_that_is_not_sealed_is_refused():
    refusal = await Worker().refusal(SECRET)

    assert refusal.message == "apply_secret carries secrets: expected a sealed body"
    assert "t0p" not in refusal.message


async def test_a_workload_is_refused_if_it_holds_a_pull_secret_and_is_not_sealed():
    secret = {"registry": "registry.example", "username": "ci", "password": "canary"}
    operation = OPERATIONS["apply_workload"]
    values = {"scope": "default", "workload": workload(pullSecret=secret)}
    refusal = await Worker().refusal(message_of(wire.build(operation, values)))

    assert refusal.message == "apply_workload carries secrets: expected a sealed body"


@pytest.mark.parametrize("name", ["apply_controller", "apply_workload"])
async def test_what_holds_no_secret_need_not_be_sealed(name):
    assert (await Worker().run(message_of(EXAMPLES[name]))).status == 200


@pytest.mark.parametrize(
    ("seals", "code"),
    [(Seals([b"x" * 32]), Code.SEAL_NOT_OPENED), (Seals([]), Code.SEALING_NOT_CONFIGURED)],
)
async def test_a_sealed_body_that_this_worker_cannot_open_is_refused(seals, code):
    assert (await Worker(seals).refusal(sealed(SECRET))).code is code


async def test_a_sealed_body_is_not_run_for_another_address():
    other = "k8s.0.secrets.default.other"

    assert (await Worker().refusal(but(sealed(SECRET), key=other))).code is Code.SEAL_NOT_OPENED


async def test_plain_json_that_claims_to_be_sealed_is_refused():
    message = but(SECRET, content_type=SEALED)

    assert (await Worker().refusal(message)).message == (
        "expected a sealed body, got something else"
    )


def event(name: str, user: str | None = "scheduler") -> Message:
    """What a producer publishes."""
    message = message_of(EXAMPLES[name], exchange=topology.EVENTS, user_id=user)
    return sealed(message) if OPERATIONS[name].row.seal else message


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_event_scales_or_labels_and_does_nothing_else(name):
    worker = Worker()
    if name in {"update_controller_replicas", "set_machine_labels"}:
        assert (await worker.run(event(name))).status == 200
    else:
        refusal = await worker.refusal(event(name))
        assert refusal.code is Code.FORBIDDEN
        assert refusal.message == f"user scheduler may not send {name} as an event"


@pytest.mark.parametrize("user", [None, ""])
async def test_an_event_of_nobody_is_refused(user):
    refusal = await Worker().refusal(event("update_controller_replicas", user))

    assert (refusal.code, refusal.message) == (
        Code.FORBIDDEN,
        "an event needs the property user_id",
    )


async def test_a_user_may_be_allowed_more_and_others_are_not():
    worker = Worker(producers={"deployer": frozenset({"delete_controller"})})

    assert (await worker.refusal(event("delete_controller"))).code is Code.FORBIDDEN
    assert (await worker.refusal(event("delete_service", "deployer"))).code is Code.FORBIDDEN
    assert (await worker.run(event("delete_controller", "deployer"))).status == 200
    assert (await worker.run(event("update_controller_replicas", "deployer"))).status == 200


async def test_a_command_of_a_gateway_needs_no_user():
    """The broker's rights say who may publish commands; events come through their own exchange."""
    assert (await Worker().run(but(SCALE, user_id=None))).status == 200
