"""The state of a healthy broker, and the findings about a changed one."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import structs

from contracts import VERSION, topology
from contracts.address import SLOTS
from contracts.broker.attendance import Announcement
from contracts.broker_users import users
from contracts.topology import GIB
from deploy.rabbitmq import accounts
from gateway.console.doctor.finding import Finding
from gateway.console.doctor.state import (
    Application,
    Binding,
    Client,
    Exchange,
    FeatureFlag,
    Node,
    Permission,
    Queue,
    State,
    TopicPermission,
)

KEY = "0011223344556677"
NOW = 1_800_000_000.0


def state(nodes: int = 3, providers: Sequence[str] = ("k8s",), **changes: Any) -> State:
    """Return the state of a healthy broker with users of least privilege, changed."""
    members = [node(number) for number in range(1, nodes + 1)]
    names = [each.name for each in members]
    whole = topology.whole(topology.common(), *map(topology.of_provider, providers))
    rights = accounts.definitions(users(list(providers)))
    healthy = State(
        vhost="/",
        api="http://rabbitmq-1:15672/api",
        clock_ahead=0.2,
        nodes=members,
        exchanges=[
            Exchange(each.name, each.type, True, dict(each.arguments)) for each in whole.exchanges
        ],
        queues=[
            queue(each, names, leader=names[number % nodes])
            for number, each in enumerate(whole.queues)
        ],
        bindings=[
            Binding(
                each.source,
                each.destination,
                "exchange" if each.to_exchange else "queue",
                each.key,
                properties_key=each.key.replace("#", "%23") or "~",
            )
            for each in whole.bindings
        ],
        clients=[
            client("gateway", "machinist gateway 0123456789ab"),
            client("gateway", "machinist gateway 0123456789ab recorder"),
            *(
                client(f"worker-{name}", f"machinist worker {name} host-1-9-abcd {side}")
                for name in providers
                for side in ("consume", "publish")
            ),
            Client("guest", {"product": "Pika Python Client Library", "version": "1.3"}),
        ],
        permissions=[
            Permission(each["user"], each["configure"], each["write"], each["read"])
            for each in rights["permissions"]
        ],
        topic_permissions=[
            TopicPermission(each["user"], each["exchange"], each["write"], each["read"])
            for each in rights["topic_permissions"]
        ],
        feature_flags=[FeatureFlag("quorum_queue", "enabled")],
    )
    return structs.replace(healthy, **changes)


def node(number: int = 1, **changes: Any) -> Node:
    """Return a healthy node with a disk of 100 GiB, changed."""
    healthy = Node(
        f"rabbit@rabbitmq-{number}",
        disk_free=100 * GIB,
        disk_free_limit=2 * GIB,
        applications=[Application("rabbit", "4.0.5"), Application("ranch", "2.1.0")],
    )
    return structs.replace(healthy, **changes)


def queue(declared: topology.Queue, members: list[str], leader: str) -> Queue:
    """Return a queue as the management API shows it, with a consumer."""
    kind = str(declared.arguments.get("x-queue-type"))
    return Queue(
        declared.name,
        type=kind,
        arguments=dict(declared.arguments),
        consumers=1,
        leader=leader,
        members=members,
        online=members,
    )


def client(user: str, name: str, version: str = VERSION) -> Client:
    """Return the connection of a process of machinist."""
    known = {"product": "machinist", "version": version, "connection_name": name}
    return Client(user, known)


def with_queue(broker: State, name: str, **changes: Any) -> State:
    """Return the state with one changed queue."""
    return structs.replace(
        broker,
        queues=[
            structs.replace(each, **changes) if each.name == name else each
            for each in broker.queues
        ],
    )


def worker(name: str = "host-1-9-abcd", **changes: Any) -> Announcement:
    """Return the announcement of a healthy worker that owns all partitions, changed."""
    healthy = Announcement(
        name, "k8s", VERSION, NOW - 3600, partitions=list(range(SLOTS)), seal_keys=[KEY]
    )
    return structs.replace(healthy, **changes)


def only(findings: Iterable[Finding]) -> Finding:
    """Return the only finding."""
    found = list(findings)
    assert len(found) == 1, found
    return found[0]


def checks(findings: Iterable[Finding]) -> list[str]:
    """Return the checks of findings."""
    return [each.check for each in findings]
