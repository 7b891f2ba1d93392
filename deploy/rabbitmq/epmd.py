"""Erlang's port mapper for private nodes: on loopback, and ended with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from deploy.child import Child
from deploy.failed import Failed
from deploy.rabbitmq.configuration import Configuration
from deploy.rabbitmq.installation import Installation
from deploy.rabbitmq.ready import listens
from deploy.waiting import wait_until


class Epmd:
    """The process that tells Erlang nodes each other's ports."""

    def __init__(self, program: Path, port: int, log: Path, env: Mapping[str, str]) -> None:
        # In the foreground, so that it is our child; its address and port are in the environment.
        self._child = Child("RabbitMQ's epmd", [program], log=log, env=env)
        self._port = port

    @classmethod
    def of(cls, node: Configuration, installation: Installation) -> Self:
        """Return the one that a node expects, with its log in the node's folder."""
        log = node.folder / "log" / "epmd.log"
        return cls(installation.epmd, node.epmd, log, node.environment())

    @property
    def alive(self) -> bool:
        return self._child.alive

    def start(self) -> None:
        """Start the process unless it runs, and wait until it listens."""
        if self.alive:
            return
        self._child.start()
        wait_until(self._listens, 10, f"epmd listens on {self._port}")

    def stop(self) -> None:
        """End the process: no node finds another, or is found by rabbitmqctl, until `start`."""
        self._child.stop()

    def _listens(self) -> bool:
        if not self.alive:
            raise Failed(f"epmd ended with {self._child.exit_code}: {self._child.last_lines()}")
        return listens(self._port)
