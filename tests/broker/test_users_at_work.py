"""Real processes as the broker's users: their rights suffice, and what others send is refused."""

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
from tests.broker.granted import Granted, granted
from tests.producer import publish, scale_event
from tests.stack import BOUND_S, Gateway, Stack, eventually

PROVIDERS = ["k8s", "other"]
"""Those with a worker; there is another one without."""


@pytest.fixture(scope="module")
def broker(rabbit: RabbitNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Granted]:
    """A virtual host in which nobody need create anything but gateways their replies queues."""
    with granted(rabbit, [*PROVIDERS, "idle"]) as broker:
        broker.import_from(tmp_path_factory.mktemp("users"))
        yield broker


@pytest.fixture(scope="module")
def gateway(
    broker: Granted,
    rabbit: RabbitNode,
    session_sandbox: KubernetesSandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway and a worker of each provider, each as its own user."""
    folder = tmp_path_factory.mktemp("users-at-work")
    with Stack("nobody's", session_sandbox, rabbit, folder) as stack:
        for provider in PROVIDERS:
            url = broker.url(f"worker-{provider}")
            stack.worker(PLT_AMQP_URL=url, PLT_PROVIDER_NAME=provider)
        gateway = stack.gateway(PLT_AMQP_URL=broker.url("gateway"), PLT_PROVIDERS="k8s,other")
        eventually(lambda: all(gateway.attended_by(1, name) for name in PROVIDERS), what="attended")
        yield gateway


@pytest.fixture(scope="module")
def operator(broker: Granted) -> Iterator[httpx.Client]:
    """The management API as the operator sees it."""
    with broker.management("operator") as client:
        yield client


def event(broker: Granted, operation: Operation[Any], **changes: Any) -> Message:
    """What the producer publishes, spoilt by the changes."""
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


def scaling(broker: Granted, replicas: int, **changes: Any) -> Message:
    """A scale event of the producer."""
    named = {"user_id": broker.name("producer")} | changes
    return msgspec.structs.replace(scale_event("hello", replicas), **named)


def looked_at(operator: httpx.Client, broker: Granted, queue: str) -> list[dict[str, Any]]:
    """What the operator sees in a queue, which stays there."""
    wanted = {"count": 1000, "ackmode": "ack_requeue_true", "encoding": "auto"}
    answer = operator.post(f"/queues/{broker.vhost}/{queue}/get", json=wanted)
    seen: list[dict[str, Any]] = answer.raise_for_status().json()
    return seen


def reasons(operator: httpx.Client, broker: Granted, message: Message) -> list[str]:
    """Why the message is dead, as the operator reads it."""
    return [
        dead["properties"]["headers"]["reason"]
        for dead in looked_at(operator, broker, topology.DEAD)
        if dead["properties"]["message_id"] == message.message_id
    ]


def outcomes_of(operator: httpx.Client, broker: Granted, message: Message) -> list[dict[str, Any]]:
    """The final outcomes of a command, as the operator sees them."""
    recent = looked_at(operator, broker, topology.RECENT)
    mine = [
        each for each in recent if each["properties"].get("correlation_id") == message.message_id
    ]
    return [each for each in mine if not each["routing_key"].startswith("started.")]


def results(operator: httpx.Client, broker: Granted, message: Message) -> list[str]:
    """What became of a command."""
    told = outcomes_of(operator, broker, message)
    return sorted(msgspec.json.decode(each["payload"])["result"] for each in told)


def read_out(url: str, until: Message) -> list[Message]:
    """The audit from its beginning to the final outcome of a command."""
    read: list[Message] = []

    async def session(connection: Connection) -> None:
        ended = asyncio.Event()

        def receive(delivery: Delivery) -> None:
            read.append(delivery.message)
            final = not delivery.message.key.startswith("started.")
            if final and delivery.message.correlation_id == until.message_id:
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


def test_an_event_is_run_and_its_outcome_names_the_producer(
    gateway: Gateway, broker: Granted, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    message = scaling(broker, 5)

    assert publish(broker.url("producer"), [message]) == 0

    eventually(lambda: results(operator, broker, message) == ["done"], what="it is recorded")
    told = {each["routing_key"]: each for each in outcomes_of(operator, broker, message)}
    done = told[f"done.k8s.{message.key.split('.', 2)[2]}"]
    assert msgspec.json.decode(done["payload"])["requestedBy"] == broker.name("producer")
    assert done["properties"]["user_id"] == broker.name("worker-k8s")


def test_an_event_that_expires_where_nobody_works_is_recorded_by_the_gateway(
    gateway: Gateway, broker: Granted, operator: httpx.Client
) -> None:
    key = scaling(broker, 5).key.replace("k8s.", "idle.", 1)
    message = scaling(broker, 5, key=key, expiration=1)

    assert publish(broker.url("producer"), [message]) == 0

    eventually(lambda: results(operator, broker, message) == ["expired"], what="it is recorded")


def test_an_auditor_reads_what_was_asked_and_what_became_of_it_and_takes_nothing_away(
    gateway: Gateway, broker: Granted, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    message = scaling(broker, 6)
    assert publish(broker.url("producer"), [message]) == 0
    eventually(lambda: results(operator, broker, message) == ["done"], what="it is recorded")

    first, second = [read_out(broker.url("auditor"), until=message) for _ in range(2)]

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
    ids=["a deletion", "in somebody's name", "a copy", "nobody's"],
)
def test_what_a_producer_may_not_send_ends_dead_and_changes_nothing(
    gateway: Gateway,
    broker: Granted,
    operator: httpx.Client,
    sandbox: KubernetesSandbox,
    spoil: Any,
    reason: str,
) -> None:
    message = spoil(broker)

    assert publish(broker.url("producer"), [message]) == 0

    eventually(lambda: reasons(operator, broker, message), what="it is dead")
    assert all(reason in why for why in reasons(operator, broker, message))
    copies = len(reasons(operator, broker, message))
    eventually(lambda: results(operator, broker, message) == ["dead"] * copies, what="recorded")
    assert sandbox.calls.writes() == []


def test_a_copy_under_a_key_that_its_producer_may_not_write_changes_nothing(
    gateway: Gateway, broker: Granted, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    """RabbitMQ 4.0 refuses the message; 3.10 does not check the keys of copies, but workers do."""
    message = scaling(broker, 7, headers={"CC": ["k8s.1.services.default.x"]})

    if publish(broker.url("producer"), [message]) == 0:
        eventually(lambda: reasons(operator, broker, message), what="it is dead")
        assert all("header CC" in why for why in reasons(operator, broker, message))

    assert sandbox.calls.writes() == []


def test_a_command_without_an_address_ends_dead_and_holds_nothing_up(
    gateway: Gateway, broker: Granted, operator: httpx.Client, sandbox: KubernetesSandbox
) -> None:
    """The worker's right to write its outcome depends on the key, which a stranger has chosen."""
    slot = scaling(broker, 7).key.split(".")[1]
    user = broker.name("gateway")
    message = scaling(broker, 7, exchange=topology.COMMANDS, key=f"k8s.{slot}.", user_id=user)

    assert publish(broker.url("gateway"), [message]) == 0

    eventually(lambda: results(operator, broker, message) == ["dead"], what="it is recorded")
    assert gateway.scale("hello", 4).status_code == 200


@pytest.mark.parametrize("copy", ["k8s.{slot}.controllers.default.hello", "other.{own}.{address}"])
def test_a_hidden_copy_in_another_queue_never_runs_there(
    gateway: Gateway,
    broker: Granted,
    operator: httpx.Client,
    sandbox: KubernetesSandbox,
    copy: str,
) -> None:
    """RabbitMQ 3.10 does not check the keys in these headers."""
    _, own, where = scaling(broker, 8).key.split(".", 2)
    key = copy.format(slot=(int(own) + 1) % address.SLOTS, own=own, address=where)
    message = scaling(broker, 8, headers={"BCC": [key]})

    assert publish(broker.url("producer"), [message]) == 0

    eventually(lambda: reasons(operator, broker, message), what="the copy is dead")
    eventually(lambda: results(operator, broker, message) == ["dead", "done"], what="both ends")
    # A worker that remembers the controller of an earlier test is refused, and looks again.
    assert len([call for call in sandbox.calls.writes() if call.status == 200]) == 1
