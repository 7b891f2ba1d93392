"""Declaration of the topology, by users with and without the rights to create it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from contracts import topology
from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.errors import NotDeclared, Refused, Unroutable
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.topology import Binding, Exchange, Topology
from contracts.wire import Message
from deploy.rabbitmq import definitions
from deploy.rabbitmq.node import RabbitNode
from tests.broker.users_vhost import users_vhost

NOT_IN_DEFINITIONS = [(topology.GATE, topology.ENDED)]
EVERYTHING = [topology.common(), topology.of_provider("k8s")]


def on(url: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    """Do work on one connection, and raise its error."""
    errors: list[Exception] = []

    async def session(connection: Connection) -> None:
        try:
            await work(connection)
        except (NotDeclared, Refused, Unroutable) as error:
            errors.append(error)

    asyncio.run(ReconnectingConnection(url, "test").run(session))
    if errors:
        raise errors[0]


async def declare_everything(connection: Connection) -> None:
    """Declare all that a worker declares."""
    for part in EVERYTHING:
        await declare(connection, part)


@pytest.fixture
def poor_url(rabbit: RabbitNode, amqp_url: str, management: httpx.Client) -> Iterator[str]:
    """The URL of a user that may write and read, but neither create nor bind."""
    name, host = f"poor-{uuid4().hex[:6]}", amqp_url.rpartition("/")[2]
    management.put(f"/users/{name}", json={"password": "p", "tags": ""}).raise_for_status()
    rights = {"configure": "^$", "write": "^machinist\\.replies$", "read": ".*"}
    management.put(f"/permissions/{host}/{name}", json=rights).raise_for_status()
    yield f"amqp://{name}:p@127.0.0.1:{rabbit.port}/{host}"
    management.delete(f"/users/{name}").raise_for_status()


def existing(management: httpx.Client, url: str, what: str) -> list[dict[str, Any]]:
    """List the queues, exchanges or bindings of a virtual host."""
    listed: list[dict[str, Any]] = management.get(f"/{what}/{url.rpartition('/')[2]}").json()
    return listed


def test_declaration_on_an_empty_broker_is_complete_and_idempotent(
    amqp_url: str, management: httpx.Client
) -> None:
    on(amqp_url, declare_everything)
    before = {what: existing(management, amqp_url, what) for what in ("exchanges", "bindings")}

    on(amqp_url, declare_everything)

    after = {what: existing(management, amqp_url, what) for what in ("exchanges", "bindings")}
    assert [len(listed) for listed in before.values()] == [len(list_) for list_ in after.values()]
    names = {queue["name"] for queue in existing(management, amqp_url, "queues")}
    assert names == {queue.name for part in EVERYTHING for queue in part.queues}


def test_imported_definitions_equal_the_declared_topology(
    amqp_url: str, poor_url: str, management: httpx.Client
) -> None:
    host = amqp_url.rpartition("/")[2]
    wanted = definitions.definitions(["k8s"], host)
    management.post(f"/definitions/{host}", json=wanted).raise_for_status()

    on(poor_url, declare_everything)
    on(amqp_url, declare_everything)

    listed = existing(management, amqp_url, "bindings")
    ours = [binding for binding in listed if binding["source"]]
    assert len(ours) == len(wanted["bindings"]) + len(NOT_IN_DEFINITIONS)


def test_the_error_without_the_right_to_create_names_the_import_and_the_grant(
    poor_url: str,
) -> None:
    with pytest.raises(Refused, match=r"import the definitions .*, or grant configure"):
        on(poor_url, declare_everything)


def test_declaration_without_the_right_to_bind_stops_after_one_refusal(
    amqp_url: str, poor_url: str
) -> None:
    """Each refusal closes a channel and writes an error to the broker's log."""
    opened = 0

    async def counted(connection: Connection) -> None:
        class Counting:
            async def channel(self) -> Channel:
                nonlocal opened
                opened += 1
                return await connection.channel()

        await declare(cast(Connection, Counting()), topology.of_provider("k8s"))

    on(amqp_url, declare_everything)
    on(poor_url, counted)

    assert opened == 1


def test_the_definitions_file_matches_the_topology() -> None:
    wanted = definitions.as_text(definitions.definitions(definitions.KEPT_FOR))
    assert definitions.KEPT.read_text() == wanted, (
        "run: python -m deploy.rabbitmq.definitions >deploy/rabbitmq/definitions.json"
    )


def test_a_command_without_a_partition_is_returned_although_the_audit_is_bound(
    amqp_url: str,
) -> None:
    message = Message(
        exchange=topology.EVENTS,
        key="k8s.9.controllers.default.hello",
        body=b"{}",
        type="update_controller_replicas",
        message_id=uuid4().hex,
    )

    async def misaddressed(connection: Connection) -> None:
        await declare_everything(connection)
        async with connection.passing_channel() as channel:
            await channel.publish(message, mandatory=True)

    with pytest.raises(Unroutable):
        on(amqp_url, misaddressed)


def test_the_binding_of_older_versions_around_the_gate_is_deleted(
    amqp_url: str, management: httpx.Client
) -> None:
    ends = Exchange(topology.EVENTS, "topic"), Exchange(topology.COMMANDS, "topic")
    around = Binding(topology.EVENTS, topology.COMMANDS, "#", to_exchange=True)
    on(amqp_url, lambda connection: declare(connection, Topology(ends, (), (around,))))

    on(amqp_url, declare_everything)

    listed = existing(management, amqp_url, "bindings")
    onward = [each["destination"] for each in listed if each["source"] == topology.EVENTS]
    assert onward == [topology.GATE]


def test_a_gateway_adds_the_gate_bindings_that_definitions_cannot_hold(rabbit: RabbitNode) -> None:
    """The gate matches headers of any value by a void argument, which JSON definitions lack."""
    with users_vhost(rabbit, ["k8s"]) as broker:
        broker.import_over_http()

        on(broker.url("gateway"), lambda connection: declare(connection, topology.common()))

        with broker.management() as management:
            listed = existing(management, f"/{broker.vhost}", "bindings")
    closed = {(each["source"], each["destination"]) for each in listed if each["arguments"]}
    assert closed == set(NOT_IN_DEFINITIONS)


def test_an_unused_replies_queue_expires(amqp_url: str) -> None:
    queue = topology.of_gateway("abc", 1).queues[0]

    assert queue.arguments["x-expires"] == 60_000
    on(amqp_url, lambda connection: declare(connection, Topology(queues=(queue,))))
