"""A RabbitMQ server: its process, addresses and command line tools."""

import os
import re
import signal
import subprocess

from deploy.failed import Failed
from deploy.ports import LOOPBACK
from deploy.process import ChildProcess
from deploy.rabbitmq.configuration import USER, Configuration
from deploy.rabbitmq.epmd import Epmd
from deploy.rabbitmq.installation import Installation
from deploy.rabbitmq.ready import serves_management, speaks_amqp
from deploy.waiting import wait_until

READY_S = 180
"""The limit of a start, which only ends a hang."""
CTL_S = 120
"""The limit of a command line tool, which only ends a hang."""

STOP_S = 30


class Server:
    """A server with an epmd that other servers may share. Ports, user and data survive restarts."""

    def __init__(
        self, configuration: Configuration, installation: Installation, epmd: Epmd
    ) -> None:
        self._configuration = configuration
        self._installation = installation
        self._epmd = epmd
        self._env = configuration.environment()
        self._child = ChildProcess(
            f"RabbitMQ's server {configuration.name}",
            [installation.server],
            log=configuration.folder / "log" / "server.log",
            env=self._env,
        )

    @property
    def name(self) -> str:
        """The name of the Erlang node, as in rabbitmqctl."""
        return f"{self._configuration.name}@localhost"

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
        """The URL of the management UI, or None if the plugin is not enabled."""
        port = self._configuration.management
        return f"http://{LOOPBACK}:{port}" if port else None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.alive

    def launch(self) -> None:
        """Start the process if it does not run. `wait_ready` waits until it serves clients."""
        if self.alive:
            return
        self._configuration.write()
        self._epmd.start()
        self._child.start()

    def wait_ready(self, seconds: float = READY_S) -> None:
        """Wait until the server answers AMQP clients, and requests to the management UI."""
        wait_until(self._speaks_amqp, seconds, f"RabbitMQ speaks AMQP on port {self.port}")
        if self.management_url:
            wait_until(self._serves_management, seconds, f"{self.management_url} answers")

    def shut_down(self) -> None:
        """Shut the server down cleanly, which takes about six seconds."""
        self._child.stop(grace=STOP_S)

    def kill(self) -> None:
        """End the server with SIGKILL, which simulates a crash or a power cut."""
        self._child.kill()

    def freeze(self) -> None:
        """Stop the server's process with SIGSTOP: its connections stay open and unanswered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue a frozen server."""
        os.kill(self.pid, signal.SIGCONT)

    def ctl(self, *args: str, seconds: float = CTL_S, tool: str = "rabbitmqctl") -> str:
        """Run a command line tool for this server and return its output."""
        if not self._epmd.alive:
            raise Failed(f"{tool} {args[0]}: the node is not running, start it first")
        command = [str(self._installation.program(tool)), *args]
        # Messages do not contain the arguments, which may include a password.
        try:
            done = subprocess.run(
                command, env=self._env, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{tool} {args[0]}: no answer within {seconds:g} s") from None
        if done.returncode:
            raise Failed(f"{tool} {args[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def enable_khepri(self) -> None:
        """Migrate the metadata of the cluster from Mnesia to Khepri, which cannot be undone."""
        try:
            self.ctl("enable_feature_flag", "--opt-in", "khepri_db")
        except Failed as failure:
            version = self.ctl("version").strip()
            reason = str(failure).splitlines()[0]
            raise Failed(f"RabbitMQ {version} does not enable Khepri: {reason}") from failure

    def exit_reason(self) -> str | None:
        """Return the exit status and the last lines of the log, or None while the server runs."""
        if self.alive:
            return None
        return f"{self._child.name} ended with {self._child.exit_code}\n{self._child.last_lines(5)}"

    def _speaks_amqp(self) -> bool:
        return self._running() and speaks_amqp(self.port)

    def _serves_management(self) -> bool:
        port = self._configuration.management
        return self._running() and (port is None or serves_management(port, USER, self.password))

    def _running(self) -> bool:
        if self.alive:
            return True
        child = self._child
        detail = child.last_lines()
        if logs := sorted(child.log.parent.glob("*@localhost.log")):
            detail += "\n" + "\n".join(_errors(logs[-1].read_text(errors="replace")))
        raise Failed(f"{child.name} ended with {child.exit_code} during its start:\n{detail}")


def _errors(log: str) -> list[str]:
    return [line for line in log.splitlines() if re.search(r"\[(error|critical)\]", line)][:15]
