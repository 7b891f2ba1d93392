"""Erlang's port mapper for private nodes, on loopback."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from deploy.failed import Failed
from deploy.process import ChildProcess
from deploy.rabbitmq.configuration import Configuration
from deploy.rabbitmq.installation import Installation
from deploy.rabbitmq.ready import listens
from deploy.waiting import wait_until


class Epmd:
    """The process that maps names of Erlang nodes to ports."""

    def __init__(self, program: Path, port: int, log: Path, env: Mapping[str, str]) -> None:
        # Not a daemon, so that it ends with this process. The environment has its address and port.
        self._child = ChildProcess("RabbitMQ's epmd", [program], log=log, env=env)
        self._port = port

    @classmethod
    def of(cls, node: Configuration, installation: Installation) -> Self:
        """Return the epmd for the port of a node, with its log in the node's folder."""
        log = node.folder / "log" / "epmd.log"
        return cls(installation.epmd, node.epmd, log, node.environment())

    @property
    def alive(self) -> bool:
        return self._child.alive

    def start(self) -> None:
        """Start the process if it does not run, and wait until it listens."""
        if self.alive:
            return
        self._child.start()
        wait_until(self._listens, 10, f"epmd listens on {self._port}")

    def stop(self) -> None:
        """End the process. Until `start`, neither nodes nor rabbitmqctl can find a node."""
        self._child.stop()

    def _listens(self) -> bool:
        if not self.alive:
            raise Failed(f"epmd ended with {self._child.exit_code}: {self._child.last_lines()}")
        return listens(self._port)
