"""The state of a broker, as the HTTP API of RabbitMQ's management plugin shows it."""

from typing import Any

from msgspec import Struct


class Application(Struct, frozen=True):
    """An Erlang application of a node."""

    name: str
    version: str


class Node(Struct, frozen=True):
    """A member of the cluster; a node that is down has only a name."""

    name: str
    running: bool = True
    mem_alarm: bool = False
    disk_free_alarm: bool = False
    disk_free: int | str | None = None
    disk_free_limit: int | str | None = None
    partitions: list[str] = []
    applications: list[Application] = []

    @property
    def version(self) -> str:
        """The version of RabbitMQ, empty for a node that is down."""
        return next((each.version for each in self.applications if each.name == "rabbit"), "")


class Exchange(Struct, frozen=True):
    """An exchange of the virtual host."""

    name: str
    type: str
    durable: bool = True
    arguments: dict[str, Any] = {}


class Queue(Struct, frozen=True):
    """A queue or stream of the virtual host, with its members if it is replicated."""

    name: str
    type: str = "classic"
    durable: bool = True
    exclusive: bool = False
    arguments: dict[str, Any] = {}
    consumers: int = 0
    messages: int = 0
    leader: str | None = None
    members: list[str] | None = None
    online: list[str] | None = None
    state: str = "running"
    policy: str | None = None
    operator_policy: str | None = None
    effective_policy_definition: dict[str, Any] | list[Any] | None = None

    @property
    def kind(self) -> str:
        """The type of the queue: classic, quorum or stream."""
        return str(self.arguments.get("x-queue-type", self.type))

    @property
    def limits(self) -> dict[str, Any]:
        """The settings of policies; no policy is an empty list, an empty object or null."""
        found = self.effective_policy_definition
        return found if isinstance(found, dict) else {}


class Binding(Struct, frozen=True):
    """A binding of the virtual host; `properties_key` names it in the HTTP API."""

    source: str
    destination: str
    destination_type: str
    routing_key: str = ""
    arguments: dict[str, Any] = {}
    properties_key: str = ""


class Client(Struct, frozen=True):
    """A connection of a client to the virtual host."""

    user: str = ""
    client_properties: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name that the client gives its connection."""
        return str(self.client_properties.get("connection_name", ""))

    @property
    def version(self) -> str:
        """The version of machinist, empty for another client."""
        is_ours = self.client_properties.get("product") == "machinist"
        return str(self.client_properties.get("version", "")) if is_ours else ""


class Permission(Struct, frozen=True):
    """The rights of a user in the virtual host, as regular expressions."""

    user: str
    configure: str = ""
    write: str = ""
    read: str = ""


class TopicPermission(Struct, frozen=True):
    """The routing keys of a topic exchange that a user may use, as regular expressions."""

    user: str
    exchange: str
    write: str = ""
    read: str = ""


class FeatureFlag(Struct, frozen=True):
    """A feature flag of the cluster."""

    name: str
    state: str
    stability: str = "stable"


class State(Struct, frozen=True):
    """The state of the broker. The last three need the tag administrator; None without it."""

    vhost: str
    api: str
    """The URL of the API, without a password."""
    clock_ahead: float
    """The seconds by which the broker's clock is ahead of this machine's, to the second."""
    nodes: list[Node]
    exchanges: list[Exchange]
    queues: list[Queue]
    bindings: list[Binding]
    clients: list[Client]
    permissions: list[Permission] | None = None
    topic_permissions: list[TopicPermission] | None = None
    feature_flags: list[FeatureFlag] | None = None

    @property
    def running(self) -> list[Node]:
        """The nodes that are up."""
        return [node for node in self.nodes if node.running]
