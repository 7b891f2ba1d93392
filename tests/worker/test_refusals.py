"""Messages that a worker refuses: not understood, not allowed or not valid."""

from typing import Any

import msgspec
import pytest

from contracts import CONTRACT, topology, wire
from contracts.api import OPERATIONS
from contracts.faults import Code
from contracts.seal import SEALED, Seals
from contracts.wire import Message, Reply
from tests.examples import EXAMPLES, message_of, workload
from tests.worker.providers import FullProvider
from worker.dispatch import Dispatch
from worker.messages.examination import Refusal
from worker.provider import Call

SEALS = Seals([b"k" * 32])
SCALE = message_of(EXAMPLES["update_controller_replicas"])
SECRET = message_of(EXAMPLES["apply_secret"])


class Worker:
    """A dispatch with its provider."""

    def __init__(self, seals: Seals = SEALS, **arguments: Any) -> None:
        self.provider = FullProvider()
        self._dispatch = Dispatch("k8s", self.provider, seals, **arguments)

    async def run(self, message: Message) -> Reply:
        """Return the reply to a message, or raise its refusal."""
        return await self._dispatch.run(message, Call.within(10))

    async def refusal(self, message: Message) -> Refusal:
        """Return the refusal of a message, for which the provider was not called."""
        with pytest.raises(Refusal) as raised:
            await self.run(message)
        assert self.provider.operations == []
        return raised.value


def but(message: Message, **changes: Any) -> Message:
    """Return a copy of a message with changes."""
    return msgspec.structs.replace(message, **changes)


def sealed(message: Message, seals: Seals = SEALS) -> Message:
    """Return a copy of a message with a sealed body."""
    body = seals.seal(message.body, message.type, message.key.split(".", 2)[2])
    return but(message, body=body, content_type=SEALED)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (but(SCALE, type="launch_rocket"), "expected an operation of contract 1"),
        (but(SCALE, type=""), "property type: expected the name of the operation"),
        (
            but(SCALE, headers={"contract": CONTRACT + 1}),
            "header contract: expected 1, the contract of this worker, got 2",
        ),
    ],
)
async def test_a_message_of_an_unknown_operation_or_contract_is_refused(message, reason):
    """A command is answered; an event, which has no reply, must not be lost without a record."""
    worker = Worker()

    refusal = await worker.refusal(message)

    assert (refusal.status, refusal.code) == (501, Code.NOT_UNDERSTOOD)
    assert reason in refusal.message


@pytest.mark.parametrize("contract", ["1", "2", "", True, 1.0, None, b"1", ["1"], "x" * 100])
async def test_the_refusal_shows_a_contract_that_is_no_integer(contract):
    refusal = await Worker().refusal(but(SCALE, headers={"contract": contract}))

    assert (refusal.status, refusal.code) == (501, Code.NOT_UNDERSTOOD)
    assert refusal.message == (
        f"header contract: expected the integer {CONTRACT}, got {repr(contract)[:80]}"
    )


async def test_a_message_without_an_id_is_refused():
    refusal = await Worker().refusal(but(SCALE, message_id=""))

    assert "message_id" in refusal.message


async def test_a_message_without_a_contract_is_run():
    assert (await Worker().run(but(SCALE, headers={}))).status == 200


@pytest.mark.parametrize("name", OPERATIONS)
async def test_the_refusal_of_a_wrong_routing_key_names_the_expected_key(name):
    """In another partition the command would run beside other commands of its address."""
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
async def test_a_routing_key_with_any_wrong_part_is_refused(key):
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
async def test_an_unreadable_body_is_refused_and_the_next_message_runs(body):
    worker = Worker()

    assert (await worker.refusal(but(SCALE, body=body))).code is Code.INVALID
    assert (await worker.run(SCALE)).status == 200


@pytest.mark.parametrize("deadline", ["soon", "1800000000000", "", True])
async def test_a_deadline_that_is_no_integer_is_refused(deadline):
    message = but(SCALE, headers={wire.HEADER_DEADLINE: deadline})

    assert (await Worker().refusal(message)).message == (
        "header deadline: expected an integer, milliseconds of the Unix epoch"
    )


async def test_a_name_that_no_platform_allows_is_refused():
    body = msgspec.json.encode({"scope": "default", "name": "a/../b", "replicas": 1})

    assert (await Worker().refusal(but(SCALE, body=body))).message.startswith("name: expected")


async def test_a_secret_that_is_not_sealed_is_refused():
    refusal = await Worker().refusal(SECRET)

    assert refusal.message == "apply_secret carries secrets: expected a sealed body"
    assert "t0p" not in refusal.message


async def test_a_workload_with_a_pull_secret_that_is_not_sealed_is_refused():
    secret = {"registry": "registry.example", "username": "ci", "password": "canary"}
    operation = OPERATIONS["apply_workload"]
    values = {"scope": "default", "workload": workload(pullSecret=secret)}
    refusal = await Worker().refusal(message_of(wire.build(operation, values)))

    assert refusal.message == "apply_workload carries secrets: expected a sealed body"


@pytest.mark.parametrize("name", ["apply_controller", "apply_workload"])
async def test_a_body_without_a_secret_need_not_be_sealed(name):
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


async def test_plain_json_with_the_content_type_of_a_sealed_body_is_refused():
    message = but(SECRET, content_type=SEALED)

    assert (await Worker().refusal(message)).message == (
        "expected a sealed body, got something else"
    )


def event(name: str, user: str | None = "scheduler") -> Message:
    """Return an operation as an event of a producer."""
    message = message_of(EXAMPLES[name], exchange=topology.EVENTS, user_id=user)
    return sealed(message) if OPERATIONS[name].row.seal else message


@pytest.mark.parametrize("name", OPERATIONS)
async def test_only_scaling_and_labels_are_allowed_as_events(name):
    worker = Worker()
    if name in {"update_controller_replicas", "set_machine_labels"}:
        assert (await worker.run(event(name))).status == 200
    else:
        refusal = await worker.refusal(event(name))
        assert refusal.code is Code.FORBIDDEN
        assert refusal.message == f"user scheduler may not send {name} as an event"


@pytest.mark.parametrize("user", [None, ""])
async def test_an_event_without_a_user_is_refused(user):
    refusal = await Worker().refusal(event("update_controller_replicas", user))

    assert (refusal.code, refusal.message) == (
        Code.FORBIDDEN,
        "an event needs the property user_id",
    )


async def test_a_listed_user_may_send_additional_operations_as_events():
    worker = Worker(producers={"deployer": frozenset({"delete_controller"})})

    assert (await worker.refusal(event("delete_controller"))).code is Code.FORBIDDEN
    assert (await worker.refusal(event("delete_service", "deployer"))).code is Code.FORBIDDEN
    assert (await worker.run(event("delete_controller", "deployer"))).status == 200
    assert (await worker.run(event("update_controller_replicas", "deployer"))).status == 200


async def test_a_command_of_a_gateway_needs_no_user():
    """The broker's permissions limit the publishers of commands; events have another exchange."""
    assert (await Worker().run(but(SCALE, user_id=None))).status == 200
