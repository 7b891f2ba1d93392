"""Places the client connections and the queue leaders of a virtual host on nodes of a cluster."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx

from contracts.topology import AUDIT
from deploy.rabbitmq import definitions
from deploy.rabbitmq.cluster import NODES, RabbitCluster
from tests.stack import eventually

TRANSFER = """
Transfer = fun(Q) -> catch rabbit_quorum_queue:transfer_leadership(Q, node()) end,
[Transfer(Q) || Q <- rabbit_amqqueue:list(<<"{vhost}">>),
    amqqueue:get_type(Q) =:= rabbit_quorum_queue, amqqueue:get_pid(Q) =/= none],
length(rabbit_amqqueue:list(<<"{vhost}">>)).
"""
MOVED_S = 60
PROVIDERS = ["k8s"]
STREAM = {"x-queue-leader-locator": "client-local"}


class Placement:
    """A virtual host on a cluster, with the shipped definitions."""

    def __init__(self, cluster: RabbitCluster, vhost: str) -> None:
        self.cluster = cluster
        self.vhost = vhost
        self._refusing: list[int] = []

    def create(self) -> Self:
        """Create the virtual host and import the definitions."""
        with self._management(0) as api:
            api.put(f"/vhosts/{self.vhost}").raise_for_status()
            rights = {"configure": ".*", "write": ".*", "read": ".*"}
            api.put(f"/permissions/{self.vhost}/{self.cluster.user}", json=rights)
        self._import(0)
        return self

    @property
    def amqp_url(self) -> str:
        """The value of PLT_AMQP_URL with all nodes."""
        return ",".join(url + self.vhost for url in self.cluster.amqp_urls)

    def version(self) -> str:
        """Return the version of RabbitMQ."""
        with self._management(0) as api:
            found: str = api.get("/overview").raise_for_status().json()["rabbitmq_version"]
        return found

    def lead(self, index: int) -> None:
        """Move the leaders of all queues and of the audit stream to one node.

        Not every version moves the leader of a stream, so the stream is deleted and created again.
        """
        with self._management(index) as api:
            api.delete(f"/queues/{self.vhost}/{AUDIT}").raise_for_status()
            wanted = definitions.definitions(PROVIDERS, self.vhost)
            audit = next(each for each in wanted["queues"] if each["name"] == AUDIT)
            arguments = audit["arguments"] | STREAM
            body = {"durable": True, "arguments": arguments}
            api.put(f"/queues/{self.vhost}/{AUDIT}", json=body).raise_for_status()
        self._import(index)
        eventually(lambda: self._has_moved_all(index), MOVED_S, f"node {index} leads all queues")

    def _has_moved_all(self, index: int) -> bool:
        """Tell whether a node leads all queues; if not, request transfers, which may be refused."""
        if self._leaders(index) == {index}:
            return True
        self.cluster.ctl(index, "eval", TRANSFER.format(vhost=self.vhost))
        return False

    def admit_only(self, index: int) -> None:
        """Suspend the listeners of all nodes but one, including their management API."""
        self._refusing = [other for other in range(NODES) if other != index]
        self._each(self._refusing, "suspend_listeners")

    def admit_everywhere(self) -> None:
        """Resume the listeners of all nodes."""
        refusing, self._refusing = self._refusing, []
        self._each(refusing, "resume_listeners")

    def expect_connections(self, index: int, count: int) -> None:
        """Wait until the virtual host has this number of connections, all to one node."""
        wanted = [index] * count
        eventually(
            lambda: self._connected(index) == wanted,
            MOVED_S,
            f"{count} connections to node {index}",
        )

    def _each(self, indices: list[int], command: str) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda index: self.cluster.ctl(index, command), indices))

    def _leaders(self, asked: int) -> set[int | None]:
        """Return the leaders of queues and streams; None if a member of a queue is offline."""
        found: set[int | None] = set()
        for queue in self._list(asked, f"/queues/{self.vhost}"):
            if queue.get("type", "classic") != "classic":
                # RabbitMQ 3.10 reports the leader of a stream as `node`.
                leader = queue.get("leader") or queue.get("node")
                is_whole = len(queue.get("online", ())) == NODES
                found.add(self._index(leader) if is_whole else None)
        return found

    def _connected(self, asked: int) -> list[int | None]:
        """Return the node of each connection of the virtual host."""
        listed = self._list(asked, f"/vhosts/{self.vhost}/connections")
        return [self._index(each.get("node")) for each in listed]

    def _index(self, name: object) -> int | None:
        names = [node.name for node in self.cluster.nodes]
        return names.index(name) if isinstance(name, str) and name in names else None

    def _list(self, asked: int, path: str) -> list[dict[str, Any]]:
        with self._management(asked) as api:
            found: list[dict[str, Any]] = api.get(path).raise_for_status().json()
        return found

    def _import(self, index: int) -> None:
        with self._management(index) as api:
            wanted = definitions.definitions(PROVIDERS, self.vhost)
            api.post("/definitions", json=wanted).raise_for_status()

    def _management(self, index: int) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.cluster.management_urls[index]}/api",
            auth=(self.cluster.user, self.cluster.password),
            timeout=60,
            trust_env=False,
        )
