"""A whole installation with users of least privilege, in which tests plant and mend faults."""

import asyncio
import base64
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from contracts.broker.attendance import Announcement
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.topology import GIB
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.configuration import LIMITS
from deploy.rabbitmq.logins import logins
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes import roles
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.console.doctor.examination import examine
from gateway.console.doctor.finding import Finding, Severity
from tests.stack import BOUND_S, REPOSITORY, Gateway, Process, Stack, eventually

SCOPES = {"k8s": ["default"]}
AUDIT_BOUND = 4 * GIB
"""Lowered by a policy, so that the disk of the machine of the tests is large enough."""


STATISTICS = "collect_statistics_interval = 500\n"
"""Milliseconds; with the default of 5 s, each wait for a finding examines several times."""


class Installation:
    """A broker, a gateway and a worker; each has a user, as in production."""

    def __init__(
        self, node: RabbitNode, stack: Stack, management: httpx.Client, folder: Path
    ) -> None:
        self.node = node
        self.stack = stack
        self.urls = logins(
            Broker(node.amqp_url, "test", node.management_url, node.user, node.password), ["k8s"]
        )
        self.key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.token_file = folder / "token"
        self.restore_rights()
        self._folder = folder
        self.management = management
        self.put("policies/%2F/baseline", pattern=r"^machinist\.audit$", definition=_bound())
        self.gateway = self.start_gateway()
        self.worker = self.start_worker()
        eventually(lambda: self.gateway.attended_by(1), what="the worker is attached")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a gateway, with the URL of the management API."""
        administrator = f"http://{self.node.user}:{self.node.password}@"
        assert self.node.management_url is not None
        return {
            "PLT_AMQP_URL": self.urls["gateway"],
            "PLT_MANAGEMENT_URL": self.node.management_url.replace("http://", administrator),
            "PLT_PROVIDERS": "k8s",
            "PLT_SEAL_KEY": self.key,
        }

    def start_gateway(self) -> Gateway:
        """Start a gateway."""
        return self.stack.gateway(PLT_AMQP_URL=self.urls["gateway"], PLT_SEAL_KEY=self.key)

    def start_worker(self, **variables: str) -> Process:
        """Start a worker with the shipped rights on the platform."""
        own = {
            "PLT_AMQP_URL": self.urls["worker-k8s"],
            "PLT_SEAL_KEY": self.key,
            "PLT_K8S_TOKEN_PATH": str(self.token_file),
        }
        return self.stack.worker(**own | variables)

    def restore_rights(self) -> None:
        """Give the worker its token, and the rights of deploy/kubernetes/rbac.yaml."""
        self.stack.sandbox.access.allow(roles.WORKER, roles.shipped())
        self.token_file.write_text(self.stack.sandbox.worker_token)

    def put(self, path: str, **body: Any) -> None:
        """Create an object through the management API."""
        self.management.put(f"/{path}", json=body).raise_for_status()

    def bind(self, source: str, kind: str, destination: str, key: str) -> None:
        """Bind an exchange to a queue (q) or an exchange (e)."""
        path = f"/bindings/%2F/e/{source}/{kind}/{destination}"
        self.management.post(path, json={"routing_key": key}).raise_for_status()

    def unbind(self, source: str, kind: str, destination: str) -> None:
        """Delete the binding of an exchange to a queue (q) or an exchange (e)."""
        path = f"/bindings/%2F/e/{source}/{kind}/{destination}"
        [binding] = self.management.get(path).json()
        self.delete(f"{path}/{binding['properties_key']}".lstrip("/"))

    def delete(self, path: str) -> None:
        """Delete an object through the management API."""
        self.management.delete(f"/{path}").raise_for_status()

    def findings(self, environment: Mapping[str, str] | None = None) -> list[Finding]:
        """Return what the doctor finds."""
        return asyncio.run(examine(environment or self.environment, SCOPES))

    def expect(self, *checks: str) -> dict[str, Finding]:
        """Wait until the doctor finds exactly these faults; return the findings by check.

        The statistics of the management API are up to 5 s old, and workers consume a queue that
        was missing after seconds.
        """
        found: list[Finding] = []

        def is_found() -> bool:
            found[:] = self.findings()
            return sorted(each.check for each in found) == sorted(checks)

        try:
            eventually(is_found, within=BOUND_S)
        except AssertionError:
            raise AssertionError("\n".join(map(str, found)) or "no findings") from None
        return {each.check: each for each in found}

    def mend(self, *findings: Finding) -> None:
        """Run the commands of the remedies, equal ones once; other lines are sentences.

        Definitions are imported last: an import does not change a queue that is to be deleted.
        """
        lines = [line for finding in findings for line in finding.remedy.splitlines()]
        commands = [shlex.split(line) for line in dict.fromkeys(lines)]
        commands.sort(key=lambda words: "import_definitions" in words)
        assert sum(map(self._run, commands)) > 0, lines

    def _run(self, words: list[str]) -> bool:
        match words:
            case ["rabbitmqctl", "import_definitions", file]:
                self.node.ctl("import_definitions", str(self._folder / file))
            case ["rabbitmqctl", "list_queues", *_]:
                return False  # what it prints is for a person
            case ["rabbitmqctl", *arguments]:
                self.node.ctl(*arguments)
            case ["curl", "-u", "ADMINISTRATOR", "-X", "DELETE", url]:
                self.management.delete(url).raise_for_status()
            case ["python", "-m", *arguments, output] if output.startswith(">"):
                command = [sys.executable, "-m", *arguments]
                made = subprocess.run(command, capture_output=True, check=True, cwd=REPOSITORY)
                (self._folder / output[1:]).write_bytes(made.stdout)
            case _:
                return False
        return True


def _bound() -> dict[str, int]:
    return {"max-length-bytes": AUDIT_BOUND}


def severities(findings: Mapping[str, Finding]) -> dict[str, Severity]:
    """Return the severities by check."""
    return {check: finding.severity for check, finding in findings.items()}


@contextmanager
def installation(
    folder: Path, sandbox: KubernetesSandbox, *, khepri: bool
) -> Iterator[Installation]:
    """Start an installation on a broker of its own: alarms concern a whole node."""
    sandbox.reset()
    with (
        RabbitNode(folder / "node", khepri=khepri, settings=LIMITS + STATISTICS) as node,
        Stack("unused", sandbox, node, folder) as stack,
        httpx.Client(
            base_url=f"{node.management_url}/api",
            auth=(node.user, node.password),
            timeout=30,
            trust_env=False,
        ) as management,
    ):
        yield Installation(node, stack, management, folder)
    sandbox.reset()


class Announcing(threading.Thread):
    """Announces another worker every half second, as a worker of another machine does."""

    def __init__(self, amqp_url: str, announcement: Announcement) -> None:
        super().__init__()
        self._amqp_url = amqp_url
        self._announcement = announcement
        self._over = threading.Event()

    def run(self) -> None:
        """Publish until the context is left."""

        async def session(connection: Connection) -> None:
            channel = await connection.channel()
            while not self._over.is_set():
                await channel.publish(self._announcement.message())
                await asyncio.sleep(0.5)

        asyncio.run(ReconnectingConnection(self._amqp_url, "test announcer").run(session))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
