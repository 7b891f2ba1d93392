"""Processes with least-privilege users: their rights suffice, and other messages are refused."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from contracts import address, topology, wire
from contracts.api import DeleteController
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.operation import Operation
from contracts.wire import Message
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.broker.page_events import Event, follow, rows
from tests.broker.users_vhost import UsersVhost, users_vhost
from tests.producer import publish, scale_event
from tests.stack import BOUND_S, Gateway, Stack, eventually

PROVIDERS = ["k8s", "other"]
"""The providers with a worker; `idle` has none."""


@pytest.fixture(scope="module")
def broker(rabbit: RabbitNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsersVhost]:
    """A virtual host with the imported definitions."""
    with users_vhost(rabbit, [*PROVIDERS, "idle"]) as broker:
        broker.import_from(tmp_path_factory.mktemp("users"))
        yield broker


@pytest.fixture(scope="module")
def gateway(
    broker: UsersVhost,
    rabbit: RabbitNode,
    session_sandbox: KubernetesSandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway and a worker of each provider, each with its own user."""
    folder = tmp_path_factory.mktemp("users-at-work")
    with Stack("unused", session_sandbox, rabbit, folder) as stack:
        for provider in PROVIDERS:
            url = broker.url(f"worker-{provider}")
            stack.worker(PLT_AMQP_URL=url, PLT_PROVIDER_NAME=provider)
        gateway = stack.gateway(PLT_AMQP_URL=broker.url("gateway"), PLT_PROVIDERS="k8s,other")
        eventually(
            lambda: all(gateway.attended_by(1, name) for name in PROVIDERS),
            what="all workers are attached",
        )
        yield gateway


@pytest.fixture(scope="module")
def operator(broker: UsersVhost) -> Iterator[httpx.Client]:
    """An HTTP client of the management API, as operator."""
    with broker.management("operator") as client:
        yield client


def event(broker: UsersVhost, operation: Operation[Any], **changes: Any) -> Message:
    """Return an event of the producer with some changes."""
    where = address.address(operation)
    message = Message(
        exchange=topology.EVENTS,
        key=address.routing_key("k8s", operation.row, where),
        body=wire.encode(operation),
        type=operation.row.name,
        message_id=uuid4().hex,
        user_id=broker.name("producer"),
        persistent=True,
    )
    return msgspec.structs.replace(message, **changes)


def scaling(broker: UsersVhost, replicas: int, **changes: Any) -> Message:
    """Return a scale event of the producer with some changes."""
    named = {"user_id": broker.name("producer")} | changes
    return msgspec.structs.replace(scale_event("hello", replicas), **named)


def shown(operator: httpx.Client, broker: UsersVhost, queue: str) -> list[dict[str, Any]]:
    """Return the messages that the operator sees in a queue, and requeue them."""
    wanted = {"count": 1000, "ackmode": "ack_requeue_true", "encoding": "auto"}
    answer = operator.post(f"/queues/{broker.vhost}/{queue}/get", json=wanted)
    seen: list[dict[str, Any]] = answer.raise_for_status().json()
    return seen


def reasons(operator: httpx.Client, broker: UsersVhost, message: Message) -> list[str]:
    """Return the reasons of the message's dead letters, as the operator reads them."""
    return [
        dead["properties"]["headers"]["reason"]
        for dead in shown(operator, broker, topology.DEAD)
        if dead["properties"]["message_id"] == message.message_id
    ]


def outcomes_of(
    operator: httpx.Client, broker: UsersVhost, message: Message
) -> list[dict[str, Any]]:
    """Return the final outcomes of a command that the operator sees."""
    recent = shown(operator, broker, topology.RECENT)
    mine = [
        each for each in recent if each["properties"].get("correlation_id") == message.message_id
    ]
    return [each for each in mine if not each["routing_key"].startswith("started.")]


def expect_results(
    operator: httpx.Client, broker: UsersVhost, message: Message, *expected: str
) -> None:
    """Wait until a command has these final results, in alphabetical order."""

    def results() -> list[str]:
        finals = outcomes_of(operator, broker, message)
        return sorted(msgspec.json.decode(each["payload"])["result"] for each in finals)

    eventually(lambda: results() == list(expected), what=f"the results are {expected}")


def audit_until(url: str, last: Message) -> list[Message]:
    """Read the audit from its first record to the final outcome of a command."""
    read: list[Message] = []

    async def session(connection: Connection) -> None:
        ended = asyncio.Event()

        def receive(delivery: Delivery) -> None:
            read.append(delivery.message)
            final = not delivery.message.key.startswith("started.")
            if final and delivery.message.correlation_id == last.message_id:
                ended.set()

        async with connection.passing_channel() as channel:
            offset = {"x-stream-offset": "first"}
            await channel.consume(topology.AUDIT, receive, prefetch=1000, arguments=offset)
            await ended.wait()

    asyncio.run(asyncio.wait_for(ReconnectingConnection(url, "test auditor").run(session), BOUND_S))
    return read


def test_queries_and_commands_are_answered_through_rest(
    gateway: Gateway, sandbox: KubernetesSandbox
) -> None:
    for provider in PROVIDERS:
        machines = gateway.get(f"/{provider}/machines/default")
        scaled = gateway.scale("hello", 4, provider)

        assert (machines.status_code, scaled.status_code) == (200, 200), machines.text + scaled.text
    assert sandbox.calls.writes()


def test_the_outcome_of_an_event_names_the_producer(
    gateway: Gateway, broker: UsersVhost, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    message = scaling(broker, 5)

    assert publish(broker.url("producer"), [message]) == 0

    expect_results(operator, broker, message, "done")
    by_key = {each["routing_key"]: each for each in outcomes_of(operator, broker, message)}
    done = by_key[f"done.k8s.{message.key.split('.', 2)[2]}"]
    assert msgspec.json.decode(done["payload"])["requestedBy"] == broker.name("producer")
    assert done["properties"]["user_id"] == broker.name("worker-k8s")


def test_an_expired_event_for_a_provider_without_workers_is_recorded(
    gateway: Gateway, broker: UsersVhost, operator: httpx.Client
) -> None:
    key = scaling(broker, 5).key.replace("k8s.", "idle.", 1)
    message = scaling(broker, 5, key=key, expiration=1)

    assert publish(broker.url("producer"), [message]) == 0

    expect_results(operator, broker, message, "expired")


def test_an_auditor_reads_starts_and_outcomes_without_removing_them(
    gateway: Gateway, broker: UsersVhost, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    message = scaling(broker, 6)
    assert publish(broker.url("producer"), [message]) == 0
    expect_results(operator, broker, message, "done")

    first, second = [audit_until(broker.url("auditor"), last=message) for _ in range(2)]

    assert first == second
    started, done = [msgspec.json.decode(each.body) for each in first[-2:]]
    assert (started["result"], started["request"]["body"]["replicas"]) == ("started", 6)
    assert (done["result"], "request" in done) == ("done", False)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda b: event(b, DeleteController(scope="default", name="hello")), "may not send"),
        (lambda b: scaling(b, 7, headers={"requested-by": "the owner"}), "requested-by"),
        (lambda b: scaling(b, 7, headers={"CC": ["k8s.1.controllers.default.x"]}), "header CC"),
        (lambda b: scaling(b, 7, user_id=None), "needs the property user_id"),
    ],
    ids=["a deletion", "a forged requester", "a CC copy", "no user_id"],
)
def test_a_forbidden_event_is_dead_and_changes_nothing(
    gateway: Gateway,
    broker: UsersVhost,
    operator: httpx.Client,
    sandbox: KubernetesSandbox,
    spoil: Any,
    reason: str,
) -> None:
    message = spoil(broker)

    assert publish(broker.url("producer"), [message]) == 0

    eventually(lambda: reasons(operator, broker, message), what="the message is dead")
    assert all(reason in why for why in reasons(operator, broker, message))
    copies = len(reasons(operator, broker, message))
    expect_results(operator, broker, message, *["dead"] * copies)
    assert sandbox.calls.writes() == []


def test_a_cc_copy_under_a_forbidden_key_changes_nothing(
    gateway: Gateway, broker: UsersVhost, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    """RabbitMQ 4.0 refuses the message; RabbitMQ 3.10 does not check CC keys, but workers do."""
    message = scaling(broker, 7, headers={"CC": ["k8s.1.services.default.x"]})

    if publish(broker.url("producer"), [message]) == 0:
        eventually(lambda: reasons(operator, broker, message), what="the message is dead")
        assert all("header CC" in why for why in reasons(operator, broker, message))

    assert sandbox.calls.writes() == []


def test_a_command_without_an_address_is_dead_and_blocks_nothing(
    gateway: Gateway, broker: UsersVhost, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    """The worker may publish an outcome only under its own keys, and the sender chose this key."""
    slot = scaling(broker, 7).key.split(".")[1]
    user = broker.name("gateway")
    message = scaling(broker, 7, exchange=topology.COMMANDS, key=f"k8s.{slot}.", user_id=user)

    assert publish(broker.url("gateway"), [message]) == 0

    expect_results(operator, broker, message, "dead")
    assert gateway.scale("hello", 4).status_code == 200


@pytest.mark.parametrize("copy", ["k8s.{slot}.controllers.default.hello", "other.{own}.{address}"])
def test_a_bcc_copy_in_another_queue_never_runs(
    gateway: Gateway,
    broker: UsersVhost,
    operator: httpx.Client,
    sandbox: KubernetesSandbox,
    copy: str,
) -> None:
    """RabbitMQ 3.10 does not check the keys in BCC headers."""
    _, own, where = scaling(broker, 8).key.split(".", 2)
    key = copy.format(slot=(int(own) + 1) % address.SLOTS, own=own, address=where)
    message = scaling(broker, 8, headers={"BCC": [key]})

    assert publish(broker.url("producer"), [message]) == 0

    eventually(lambda: reasons(operator, broker, message), what="the copy is dead")
    expect_results(operator, broker, message, "dead", "done")
    # A worker with a cached resource version of an earlier test gets a 422, and retries.
    assert len([call for call in sandbox.calls.writes() if call.status == 200]) == 1


def test_a_gateway_has_the_rights_for_its_page(gateway):
    """It reads the audit, and asks for the depths of all queues."""
    command_id = gateway.scale("hello", 4).headers["command-id"]

    def is_complete(events: list[Event]) -> bool:
        state = events[-1].data if events[-1].name == "state" else {}
        shown = {row["id"] for row in rows(events)}
        depths = [
            each["ready"]
            for provider in state.get("providers", ())
            for each in provider["partitions"]
        ]
        return command_id in shown and len(depths) >= 16 and None not in depths

    events = follow(gateway, is_complete)

    assert (events[-1].data["audit"], events[-1].data["missing"]) == (None, [])
    found = gateway.get(f"/page/commands/{command_id}").json()
    assert [each["result"] for each in found["records"]] == ["started", "done"]
