"""A cluster of three RabbitMQ nodes on loopback, for tests that kill, stop and freeze nodes.

The nodes use RabbitMQ's peer discovery. They end when the cluster is closed, or when the process
that started it ends, even by SIGKILL.
"""

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx

from deploy.ports import Port
from deploy.rabbitmq.configuration import LIMITS, Configuration
from deploy.rabbitmq.epmd import Epmd
from deploy.rabbitmq.installation import Installation, ensure
from deploy.rabbitmq.node import silent
from deploy.rabbitmq.server import CTL_S, Server
from deploy.waiting import Say, wait_until

NODES = 3
START_S = 180
"""Three Erlang machines start at the same time, on two cores that others may use."""


class RabbitCluster:
    """A private cluster: `with RabbitCluster(folder) as cluster: connect(cluster.amqp_urls)`.

    An index from 0 identifies a node. Ports, user, password and messages survive a restart.
    """

    def __init__(
        self,
        folder: Path,
        *,
        khepri: bool = False,
        settings: str = LIMITS,
        say: Say = silent,
        installation: Installation | None = None,
    ) -> None:
        """Reserve the ports. `settings` are lines of rabbitmq.conf, the same for all nodes."""
        self._say = say
        self._with_khepri = khepri
        self._reserved = ExitStack()
        installation = installation or ensure(say)
        prefix = f"machinist-{secrets.token_hex(4)}"
        names = [f"{prefix}-{number}" for number in range(1, NODES + 1)]
        epmd, password, cookie = self._reserve(), secrets.token_urlsafe(18), secrets.token_hex(20)
        configurations = [
            Configuration(
                folder=folder.resolve() / name,
                name=name,
                password=password,
                cookie=cookie,
                amqp=self._reserve(),
                distribution=self._reserve(),
                epmd=epmd,
                management=self._reserve(),
                settings=settings,
                members=names,
            )
            for name in names
        ]
        self._epmd = Epmd.of(configurations[0], installation)
        self.nodes = [Server(each, installation, self._epmd) for each in configurations]

    @property
    def user(self) -> str:
        return self.nodes[0].user

    @property
    def password(self) -> str:
        return self.nodes[0].password

    @property
    def amqp_urls(self) -> list[str]:
        """One URL per node. Joined by commas, they form a PLT_AMQP_URL."""
        return [node.amqp_url for node in self.nodes]

    @property
    def management_urls(self) -> list[str]:
        """One URL per node. Each shows the whole cluster."""
        return [str(node.management_url) for node in self.nodes]

    def start(self, *indices: int, seconds: float = START_S) -> None:
        """Start some or all nodes at the same time, and wait until each serves clients.

        If all nodes were stopped, the last stopped node must be among them.
        """
        starting = [self.nodes[index] for index in indices or range(NODES)]
        for node in starting:
            node.launch()
        for node in starting:
            node.wait_ready(seconds)

    def stop(self, index: int) -> None:
        """Shut a node down cleanly."""
        self.nodes[index].shut_down()

    def kill(self, index: int) -> None:
        """End a node with SIGKILL, which simulates a crash or a power cut."""
        self.nodes[index].kill()

    def freeze(self, index: int) -> None:
        """Stop a node's process with SIGSTOP: its connections stay open and unanswered."""
        self.nodes[index].freeze()

    def thaw(self, index: int) -> None:
        """Continue a frozen node."""
        self.nodes[index].thaw()

    def ctl(self, index: int, *args: str, seconds: float = CTL_S, tool: str = "rabbitmqctl") -> str:
        """Run a command line tool for a node and return its output."""
        return self.nodes[index].ctl(*args, seconds=seconds, tool=tool)

    def running(self, index: int) -> set[int]:
        """Return the nodes that run according to one node; empty while it does not answer."""
        try:
            with httpx.Client(auth=(self.user, self.password), trust_env=False) as client:
                url = f"{self.nodes[index].management_url}/api/nodes"
                answer = client.get(url, timeout=10).raise_for_status().json()
        except httpx.HTTPError:
            return set()
        names = {each["name"] for each in answer if each["running"]}
        return {number for number, node in enumerate(self.nodes) if node.name in names}

    def close(self) -> None:
        """Kill all nodes without a clean shutdown."""
        for node in self.nodes:
            node.kill()
        self._epmd.stop()
        self._reserved.close()

    def _reserve(self) -> int:
        port = Port.any_free()
        self._reserved.callback(port.release)
        return port.number

    def _form(self) -> None:
        self._say("starting a cluster of three RabbitMQ nodes")
        self.start()
        everyone = set(range(NODES))
        wait_until(
            lambda: all(self.running(index) == everyone for index in everyone),
            START_S,
            "three RabbitMQ nodes form a cluster",
            interval=0.5,
        )
        if self._with_khepri:
            self.nodes[0].enable_khepri()

    def __enter__(self) -> Self:
        try:
            self._form()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
