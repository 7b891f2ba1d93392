"""The permissions of each broker user, tried on every exchange and queue."""

import asyncio
from collections.abc import Iterator

import pytest

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, Refused
from deploy.rabbitmq.node import RabbitNode
from tests.broker.attempts import (
    allowed,
    binding,
    creating,
    deleting,
    errors_of,
    publishing,
    reading,
    run_session,
    until,
)
from tests.broker.users_vhost import UsersVhost, users_vhost

PROVIDERS = ["k8s", "k8s-eu1"]
HELLO = "controllers.default.hello"
OWN_REPLIES = "machinist.replies.0123456789ab.1"
OWN_AUDIT = "machinist.audit.billing"
FOREIGN_QUEUES = [
    "machinist.k8s.more",
    "machinist.replies.x",
    f"x.{OWN_AUDIT}",
    f"x.{OWN_REPLIES}",
    f"{OWN_REPLIES}.x",
]

PUBLISHES = {
    "gateway": {"queries", "commands", "replies", "outcomes", "ended", "dead"},
    "worker-k8s": {"replies", "outcomes", "dead"},
    "worker-k8s-eu1": {"replies", "outcomes", "dead"},
    "producer": {"events"},
    "auditor": set[str](),
    "operator": {"queries", "commands"},
}
READS = {
    "gateway": {"ended", "audit"},
    "worker-k8s": {"k8s.queries", *(f"k8s.commands.{slot}" for slot in range(8))},
    "worker-k8s-eu1": {"k8s-eu1.queries", *(f"k8s-eu1.commands.{slot}" for slot in range(8))},
    "producer": set[str](),
    "auditor": {"audit"},
    "operator": {"recent", "dead", "audit"},
}
CREATES = {"gateway": {OWN_REPLIES}, "auditor": {OWN_AUDIT}, "operator": {OWN_REPLIES}}
BINDS = {
    "gateway": {
        (source, queue)
        for source in ("machinist.replies", "machinist.ended", "machinist.gate")
        # the queues to which a gateway may publish in any case
        for queue in (OWN_REPLIES, "machinist.ended", "machinist.dead")
    },
    "auditor": {("machinist.outcomes", OWN_AUDIT)},
    "operator": {("machinist.replies", OWN_REPLIES), ("machinist.dead", OWN_REPLIES)},
}
KEYS = {
    "gateway": f"dead.k8s.{HELLO}",
    "worker-k8s": f"done.k8s.{HELLO}",
    "worker-k8s-eu1": f"done.k8s-eu1.{HELLO}",
}
"""Routing keys under which each role may publish outcomes."""

EXCHANGES = [exchange.name for exchange in topology.common().exchanges]
QUEUES = [
    queue.name
    for part in [topology.common(), *map(topology.of_provider, PROVIDERS)]
    for queue in part.queues
]


@pytest.fixture(scope="module")
def broker(rabbit: RabbitNode) -> Iterator[UsersVhost]:
    """A virtual host with the imported definitions and no processes."""
    with users_vhost(rabbit, PROVIDERS) as broker:
        broker.import_over_http()
        yield broker


def ours(names: set[str]) -> set[str]:
    return {f"machinist.{name}" for name in names}


each_role = pytest.mark.parametrize("role", PUBLISHES)


def test_the_permissions_of_all_users_are_tested(broker: UsersVhost) -> None:
    assert broker.roles == list(PUBLISHES)


@each_role
def test_each_user_publishes_only_to_its_own_exchanges(broker: UsersVhost, role: str) -> None:
    key = KEYS.get(role, f"k8s.3.{HELLO}")
    exchanges = [*EXCHANGES, "", "amq.direct", "amq.fanout", "amq.topic", "amq.headers"]

    passed = allowed(broker.url(role), {name: publishing(name, key) for name in exchanges})

    assert passed == ours(PUBLISHES[role])


@each_role
def test_each_user_reads_only_its_own_queues(broker: UsersVhost, role: str) -> None:
    passed = allowed(broker.url(role), {name: reading(name) for name in QUEUES})

    assert passed == ours(READS[role])


@each_role
def test_each_user_creates_and_deletes_only_its_own_queues(broker: UsersVhost, role: str) -> None:
    own = CREATES.get(role, set())
    queues = [OWN_REPLIES, OWN_AUDIT, *FOREIGN_QUEUES]
    attempts = {f"{name} deleted": deleting(name) for name in QUEUES}
    attempts |= {name: creating(name) for name in queues}
    attempts |= {f"{name} deleted again": deleting(name) for name in queues}
    attempts["an exchange"] = lambda channel: channel.declare_exchange("stranger", "fanout")

    passed = allowed(broker.url(role), attempts)

    assert passed == own | {f"{name} deleted again" for name in own}


@each_role
def test_each_user_binds_only_its_own_queues_to_readable_exchanges(
    broker: UsersVhost, role: str
) -> None:
    own = list(CREATES.get(role, set()))
    allowed(broker.url(role), {name: creating(name) for name in own})
    queues = {
        (source, queue): binding(source, queue, "#", to_exchange=False)
        for source in EXCHANGES
        for queue in [*QUEUES, *own]
    }

    passed = allowed(broker.url(role), queues)

    assert passed == BINDS.get(role, set())


@each_role
def test_no_user_but_a_caller_binds_an_exchange_to_another(broker: UsersVhost, role: str) -> None:
    """A gateway and an operator may publish to the destinations that they may bind."""
    passed = allowed(
        broker.url(role),
        {
            (source, destination): binding(source, destination, "#", to_exchange=True)
            for source in EXCHANGES
            for destination in EXCHANGES
        },
    )

    assert role in ("gateway", "operator") or not passed
    assert {destination for _, destination in passed} <= ours(PUBLISHES[role])


@pytest.mark.parametrize(
    ("role", "exchange", "key", "is_allowed"),
    [
        ("producer", "events", f"k8s.3.{HELLO}", True),
        ("producer", "events", f"k8s-eu1.7.{HELLO}", True),
        ("producer", "events", "k8s.0.machines.default.hello-1", True),
        ("producer", "events", "k8s.0.services.default.hello", False),
        ("producer", "events", "k8s.0.secrets.default", False),
        ("producer", "events", "k8s.0.httproutes.default.hello", False),
        ("producer", "events", f"k8s.8.{HELLO}", False),
        ("producer", "events", f"other.3.{HELLO}", False),
        ("producer", "events", f"k8s-eu2.3.{HELLO}", False),
        ("worker-k8s", "outcomes", f"done.k8s.{HELLO}", True),
        ("worker-k8s", "outcomes", f"refused.k8s.{HELLO}", False),
        ("worker-k8s", "outcomes", f"done.k8s-eu1.{HELLO}", False),
        ("worker-k8s", "outcomes", f"done.xk8s.{HELLO}", False),
        ("worker-k8s-eu1", "outcomes", f"done.k8s.{HELLO}", False),
        ("gateway", "outcomes", f"refused.k8s.{HELLO}", True),
        ("gateway", "outcomes", f"expired.k8s.{HELLO}", True),
        ("gateway", "outcomes", f"done.k8s.{HELLO}", False),
        ("gateway", "outcomes", f"started.k8s.{HELLO}", False),
    ],
)
def test_a_user_publishes_only_under_its_own_routing_keys(
    broker: UsersVhost, role: str, exchange: str, key: str, is_allowed: bool
) -> None:
    attempts = {key: publishing(f"machinist.{exchange}", key)}

    assert bool(allowed(broker.url(role), attempts)) == is_allowed


def test_a_producer_may_check_that_the_audit_exists(broker: UsersVhost) -> None:
    looking = {"": lambda channel: channel.messages(topology.AUDIT)}

    assert errors_of(broker.url("producer"), looking) == {"": None}


def test_a_message_with_the_user_id_of_another_user_is_refused(broker: UsersVhost) -> None:
    names = [broker.name("producer"), broker.name("gateway")]
    attempts = {name: publishing(topology.EVENTS, f"k8s.3.{HELLO}", user_id=name) for name in names}

    [own, foreign] = errors_of(broker.url("producer"), attempts).values()

    assert own is None
    assert "user_id property set to" in str(foreign)


def test_a_cc_copy_of_an_outcome_under_the_key_of_another_provider_is_not_delivered(
    broker: UsersVhost,
) -> None:
    """Auditors trust the routing key, not the body. RabbitMQ 3.10 does not check CC keys and
    delivers under the first key; 4.0 checks them and refuses the message.
    """
    own, foreign, queue = f"done.k8s-eu1.{HELLO}", f"done.k8s.{HELLO}", "machinist.audit.copies"
    forging = publishing(topology.OUTCOMES, own, headers={"CC": [foreign]})
    arrived: list[Delivery] = []
    answers: list[BrokerError | None] = []

    async def session(connection: Connection) -> None:
        async with connection.passing_channel() as channel:
            await creating(queue)(channel)
            await binding(topology.OUTCOMES, queue, "*.k8s.#", to_exchange=False)(channel)
            await channel.consume(queue, arrived.append)
            tried = await asyncio.to_thread(errors_of, broker.url("worker-k8s-eu1"), {"": forging})
            answers.extend(tried.values())
            if answers == [None]:
                await until(lambda: arrived)

    run_session(broker.url("auditor"), session)

    if arrived:
        assert [delivery.message.key for delivery in arrived] == [own]
    else:
        assert [type(answer) for answer in answers] == [Refused]
