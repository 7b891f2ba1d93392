"""How everything on the broker comes to exist, with all rights and with few."""

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
from tests.broker.granted import granted

NOT_IN_DEFINITIONS = [(topology.GATE, topology.ENDED)]
EVERYTHING = [topology.common(), topology.of_provider("k8s")]


def on(url: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    """Do something on one connection; what it raises is raised."""
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
    """What a worker declares."""
    for part in EVERYTHING:
        await declare(connection, part)


@pytest.fixture
def poor_url(rabbit: RabbitNode, amqp_url: str, management: httpx.Client) -> Iterator[str]:
    """A user that may write and read, but neither create nor bind."""
    name, host = f"poor-{uuid4().hex[:6]}", amqp_url.rpartition("/")[2]
    management.put(f"/users/{name}", json={"password": "p", "tags": ""}).raise_for_status()
    rights = {"configure": "^$", "write": "^machinist\\.replies$", "read": ".*"}
    management.put(f"/permissions/{host}/{name}", json=rights).raise_for_status()
    yield f"amqp://{name}:p@127.0.0.1:{rabbit.port}/{host}"
    management.delete(f"/users/{name}").raise_for_status()


def existing(management: httpx.Client, url: str, what: str) -> list[dict[str, Any]]:
    """What the management API lists of one virtual host."""
    listed: list[dict[str, Any]] = management.get(f"/{what}/{url.rpartition('/')[2]}").json()
    return listed


def test_an_empty_broker_gets_everything_and_a_second_declaration_changes_nothing(
    amqp_url: str, management: httpx.Client
) -> None:
    on(amqp_url, declare_everything)
    before = {what: existing(management, amqp_url, what) for what in ("exchanges", "bindings")}

    on(amqp_url, declare_everything)

    after = {what: existing(management, amqp_url, what) for what in ("exchanges", "bindings")}
    assert [len(listed) for listed in before.values()] == [len(list_) for list_ in after.values()]
    names = {queue["name"] for queue in existing(management, amqp_url, "queues")}
    assert names == {queue.name for part in EVERYTHING for queue in part.queues}


def test_what_was_imported_is_exactly_what_would_have_been_declared(
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


def test_a_user_who_may_not_create_is_told_what_to_import_or_grant(poor_url: str) -> None:
    with pytest.raises(Refused, match=r"import the definitions .*, or grant configure"):
        on(poor_url, declare_everything)


def test_a_user_who_may_not_bind_is_refused_once_and_asks_no_further(
    amqp_url: str, poor_url: str
) -> None:
    """Each refusal closes a channel, and is an error in the broker's log."""
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


def test_the_kept_definitions_are_those_of_the_topology() -> None:
    wanted = definitions.as_text(definitions.definitions(definitions.KEPT_FOR))
    assert definitions.KEPT.read_text() == wanted, (
        "run: python -m deploy.rabbitmq.definitions >deploy/rabbitmq/definitions.json"
    )


def test_a_command_that_no_partition_takes_is_returned_although_the_audit_is_bound(
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


def test_an_older_versions_way_around_the_gate_is_taken_away(
    amqp_url: str, management: httpx.Client
) -> None:
    ends = Exchange(topology.EVENTS, "topic"), Exchange(topology.COMMANDS, "topic")
    around = Binding(topology.EVENTS, topology.COMMANDS, "#", to_exchange=True)
    on(amqp_url, lambda connection: declare(connection, Topology(ends, (), (around,))))

    on(amqp_url, declare_everything)

    listed = existing(management, amqp_url, "bindings")
    onward = [each["destination"] for each in listed if each["source"] == topology.EVENTS]
    assert onward == [topology.GATE]


def test_gateways_close_the_gate_where_definitions_were_imported(rabbit: RabbitNode) -> None:
    """Definitions have no void, by which the gate looks for a header that is there."""
    with granted(rabbit, ["k8s"]) as broker:
        broker.import_over_http()

        on(broker.url("gateway"), lambda connection: declare(connection, topology.common()))

        with broker.management() as management:
            listed = existing(management, f"/{broker.vhost}", "bindings")
    closed = {(each["source"], each["destination"]) for each in listed if each["arguments"]}
    assert closed == set(NOT_IN_DEFINITIONS)


def test_an_unused_replies_queue_goes_away_by_itself(amqp_url: str) -> None:
    queue = topology.of_gateway("abc", 1).queues[0]

    assert queue.arguments["x-expires"] == 60_000
    on(amqp_url, lambda connection: declare(connection, Topology(queues=(queue,))))
