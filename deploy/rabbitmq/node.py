"""RabbitMQ from the distribution's package as a private node, with nothing outside its folder.

Every listener, Erlang's own included, is on loopback. When the node is closed, or the process that
started it ends in whatever way, nothing of it runs on.
"""

import re
import secrets
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.child import Child
from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port
from deploy.rabbitmq.configuration import USER, Configuration
from deploy.rabbitmq.installation import Installation, ensure
from deploy.rabbitmq.ready import listens, serves_management, speaks_amqp
from deploy.waiting import Say, wait_until


def silent(message: str) -> None:
    """Say nothing."""


class RabbitNode:
    """A broker of one's own: `with RabbitNode(folder) as node: connect(node.amqp_url)`.

    Ports, user, password and messages survive `restart`, and `kill` followed by `start`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        management: bool = True,
        say: Say = silent,
        installation: Installation | None = None,
    ) -> None:
        """Reserve the ports; without the management plugin a node starts faster."""
        self._say = say
        self._installation = installation or ensure(say)
        self._reserved = ExitStack()
        self._configuration = Configuration(
            folder=folder.resolve(),
            name=f"machinist-{secrets.token_hex(4)}",
            password=secrets.token_urlsafe(18),
            cookie=secrets.token_hex(20),
            amqp=self._reserve(),
            distribution=self._reserve(),
            epmd=self._reserve(),
            management=self._reserve() if management else None,
        )
        self._env = self._configuration.environment()
        self._epmd = self._program("epmd", [self._installation.epmd])
        self._server = self._program("server", [self._installation.server])

    @property
    def folder(self) -> Path:
        """Where all of its files are."""
        return self._configuration.folder

    @property
    def user(self) -> str:
        return USER

    @property
    def password(self) -> str:
        return self._configuration.password

    @property
    def port(self) -> int:
        return self._configuration.amqp

    @property
    def amqp_url(self) -> str:
        return f"amqp://{USER}:{self.password}@{LOOPBACK}:{self.port}/"

    @property
    def management_url(self) -> str | None:
        """The management plugin's page, unless the plugin was switched off."""
        port = self._configuration.management
        return f"http://{LOOPBACK}:{port}" if port else None

    @property
    def pid(self) -> int:
        """The server's process, for tests that freeze it."""
        return self._server.pid

    def start(self) -> None:
        """Start the node where it was stopped or killed, and wait until it serves clients."""
        if self._server.alive:
            return
        if not self._epmd.alive:
            self._configuration.write()
            self._epmd.start()
            wait_until(self._epmd_listens, 10, f"epmd listens on {self._configuration.epmd}")
        self._say("starting a private RabbitMQ node")
        self._server.start()
        self.wait_ready()

    def wait_ready(self, seconds: float = 90) -> None:
        """Wait until the node speaks AMQP, and until its management page answers."""
        wait_until(self._speaks_amqp, seconds, f"RabbitMQ speaks AMQP on port {self.port}")
        if self.management_url:
            wait_until(self._serves_management, seconds, f"{self.management_url} answers")

    def stop(self) -> None:
        """Shut the node down in good order, which takes RabbitMQ some six seconds."""
        self._server.stop(grace=30)
        self._epmd.stop()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash or a power cut would."""
        self._server.kill()

    def restart(self) -> None:
        """Shut down in good order and start again."""
        self.stop()
        self.start()

    def ctl(self, *args: str, seconds: float = 60) -> str:
        """Run rabbitmqctl against this node and return what it printed."""
        if not self._epmd.alive:
            raise Failed(f"rabbitmqctl {args[0]}: the node is not running, start it first")
        command = [str(self._installation.ctl), *args]
        done = subprocess.run(
            command, env=self._env, capture_output=True, text=True, timeout=seconds, check=False
        )
        if done.returncode:
            raise Failed(f"rabbitmqctl {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def close(self) -> None:
        """End the node for good and at once: nobody needs a shutdown in good order any more."""
        self._server.kill()
        self._epmd.stop()
        self._reserved.close()

    def _reserve(self) -> int:
        port = Port.any_free()
        self._reserved.callback(port.release)
        return port.number

    def _program(self, name: str, command: list[Path]) -> Child:
        folder = self._configuration.folder
        log = folder / "log" / f"{name}.log"
        # In the foreground, so that it is our child; its address and port are in the environment.
        return Child(f"RabbitMQ's {name}", command, log=log, env=self._env)

    def _epmd_listens(self) -> bool:
        return self._alive(self._epmd) and listens(self._configuration.epmd)

    def _speaks_amqp(self) -> bool:
        return self._alive(self._server) and speaks_amqp(self.port)

    def _serves_management(self) -> bool:
        port = self._configuration.management
        return port is None or serves_management(port, USER, self.password)

    def _alive(self, program: Child) -> bool:
        if program.alive:
            return True
        logs = sorted(program.log.parent.glob("*@localhost.log"))
        detail = program.last_lines()
        if logs:
            detail += "\n" + "\n".join(_errors(logs[-1].read_text(errors="replace")))
        raise Failed(f"{program.name} ended with {program.exit_code} instead of serving:\n{detail}")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _errors(log: str) -> list[str]:
    return [line for line in log.splitlines() if re.search(r"\[(error|critical)\]", line)][:15]
