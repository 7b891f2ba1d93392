"""A private RabbitMQ node with all files in one folder.

Every listener, including Erlang's, is on loopback. The node ends when it is closed, or when the
process that started it ends, even by SIGKILL.
"""

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from deploy.ports import Port
from deploy.rabbitmq.configuration import LIMITS, Configuration
from deploy.rabbitmq.epmd import Epmd
from deploy.rabbitmq.installation import Installation, ensure
from deploy.rabbitmq.server import Server
from deploy.waiting import Say


def silent(message: str) -> None:
    """Ignore a message."""


class RabbitNode(Server):
    """A private broker: `with RabbitNode(folder) as node: connect(node.amqp_url)`.

    Ports, user, password and messages survive `restart`, and `kill` followed by `start`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        management: bool = True,
        khepri: bool = False,
        settings: str = LIMITS,
        advanced: str = "[].",
        plugins: Sequence[str] = (),
        say: Say = silent,
        installation: Installation | None = None,
    ) -> None:
        """Reserve the ports. A node starts faster without the management plugin.

        `settings` are lines of rabbitmq.conf, `advanced` is the content of advanced.config, and
        `plugins` are enabled beside management. Khepri is experimental in RabbitMQ 4.0 and missing
        in 3.10.
        """
        self._say = say
        self._with_khepri = khepri
        self._reserved = ExitStack()
        installation = installation or ensure(say)
        configuration = Configuration(
            folder=folder.resolve(),
            name=f"machinist-{secrets.token_hex(4)}",
            password=secrets.token_urlsafe(18),
            cookie=secrets.token_hex(20),
            amqp=self._reserve(),
            distribution=self._reserve(),
            epmd=self._reserve(),
            management=self._reserve() if management else None,
            settings=settings,
            advanced=advanced,
            plugins=plugins,
        )
        super().__init__(configuration, installation, Epmd.of(configuration, installation))

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return self._configuration.folder

    def start(self) -> None:
        """Start the node if it does not run, and wait until it serves clients."""
        if self.alive:
            return
        self._say("starting a private RabbitMQ node")
        self.launch()
        self.wait_ready()
        if self._with_khepri:
            self.enable_khepri()
            self._with_khepri = False

    def stop(self) -> None:
        """Shut the node down cleanly."""
        self.shut_down()
        self._epmd.stop()

    def restart(self) -> None:
        """Shut the node down cleanly and start it again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Kill the node without a clean shutdown, and release its ports."""
        self.kill()
        self._epmd.stop()
        self._reserved.close()

    def _reserve(self) -> int:
        port = Port.any_free()
        self._reserved.callback(port.release)
        return port.number

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
