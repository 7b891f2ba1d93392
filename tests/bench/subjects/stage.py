"""The measured processes, which end with the context."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from deploy.failed import Failed
from deploy.kubeconfig import attachment
from deploy.ports import LOOPBACK, Port
from deploy.process import ChildProcess
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.waiting import wait_until
from tests.bench.loads import usage
from tests.bench.requests import KUBERNETES, MEMORY

CHECKOUT = Path(__file__).resolve().parents[3]
JOB_TIMEOUT_S = 150
READY_S = 60
METRICS = re.compile(r"metrics on (http://\S+?/metrics)")
CALLS = re.compile(r"^machinist_worker_platform_requests_total\{.*\} (\S+)$", re.MULTILINE)

Result = TypeVar("Result")


def run(module: str, job: Struct, result: type[Result]) -> Result:
    """Run a job in a new process, and return its result."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.loads.{module}"],
        input=msgspec.json.encode(job),
        capture_output=True,
        timeout=JOB_TIMEOUT_S,
        cwd=CHECKOUT,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{module} failed:\n{done.stderr.decode()}")
    return msgspec.json.decode(done.stdout, type=result)


class Cluster(Struct):
    """An API server. The environments are those of a worker, for its user and for the set-up."""

    what: str
    worker: dict[str, str]
    administrator: dict[str, str]
    is_sandbox: bool


@contextmanager
def sandbox() -> Iterator[Cluster]:
    """Start the sandbox in this process, which is otherwise idle during a measurement."""
    with KubernetesSandbox.in_thread() as started:
        administrator = started.environment | {"PLT_K8S_TOKEN_PATH": str(started.token_path)}
        yield Cluster("the sandbox", started.environment, administrator, is_sandbox=True)


def of_kubeconfig(file: Path, context: str | None, folder: Path) -> Cluster:
    """Return the cluster of a kubeconfig; its user needs the rights to make namespaces."""
    found = attachment.read(file, context)
    if found.cluster.proxy:
        raise Failed(f"{file}: proxy-url: expected none, because the bench measures without proxy")
    environment = found.environment(folder / "credentials")
    attachment.check(found, environment)
    return Cluster(str(found), environment, environment, is_sandbox=False)


class Stage:
    """A broker, a gateway, workers of a platform in memory and of the cluster, and the direct way.

    An echo server measures the broker alone.
    """

    def __init__(self, folder: Path, cluster: Cluster, workers: int, contexts: ExitStack) -> None:
        self._folder = folder
        self._contexts = contexts
        self._children: list[ChildProcess] = []
        self.cluster = cluster
        self.node = contexts.enter_context(RabbitNode(folder / "rabbitmq"))
        self.gateway, gateway = self._address()
        self.direct, direct = self._address()
        broker = {"PLT_AMQP_URL": self.node.amqp_url}
        expected = {"PLT_PROVIDERS": f"{MEMORY},{KUBERNETES}"}
        self._echo = self._start("echo", ["tests.bench.loads.echo", self.node.amqp_url], {})
        self._direct = self._start(
            "direct", ["tests.bench.subjects.direct"], cluster.worker | direct
        )
        self._gateway = self._start("gateway", ["gateway"], broker | gateway | expected)
        self._workers = {
            MEMORY: self._attach(workers, "tests.bench.subjects.memory_worker", broker, MEMORY),
            KUBERNETES: self._attach(workers, "worker", broker | cluster.worker, KUBERNETES),
        }
        condition = f"{workers} workers attend each platform, and the direct service answers"
        wait_until(lambda: self._attended_by(workers), READY_S, condition)

    def through(self, provider: str) -> dict[str, list[int]]:
        """Return the processes of a request to a provider, by group."""
        workers = [child.pid for child in self._workers[provider]]
        parts = {"asks": [self._gateway.pid], "answers": workers, "broker": self._broker()}
        return parts | self.platform()

    def directly(self) -> dict[str, list[int]]:
        """Return the processes of a request to the direct service, by group."""
        return {"direct": [self._direct.pid]} | self.platform()

    def platform(self) -> dict[str, list[int]]:
        """Return the process of the sandbox; none for another cluster."""
        return {"sandbox": [os.getpid()]} if self.cluster.is_sandbox else {}

    def floor(self) -> dict[str, list[int]]:
        """Return the processes of an echo, by group, without the client."""
        return {"answers": [self._echo.pid], "broker": self._broker()}

    def calls(self) -> int:
        """Return the number of requests of the workers to the API server, without watches."""
        return sum(
            int(float(number))
            for child in self._workers[KUBERNETES]
            for number in CALLS.findall(_get(metrics_url(child)).text)
        )

    def direct_calls(self) -> int:
        """Return the number of requests of the direct service to the API server."""
        return int(_get(f"http://{self.direct}/requests").text)

    def _address(self) -> tuple[str, dict[str, str]]:
        port = Port.any_free()
        self._contexts.callback(port.release)
        variables = {"PLT_HOST": LOOPBACK, "PLT_PORT": str(port.number)}
        return f"{LOOPBACK}:{port.number}", variables

    def _attach(
        self, workers: int, module: str, environment: dict[str, str], provider: str
    ) -> list[ChildProcess]:
        own = environment | {"PLT_PROVIDER": provider, "PLT_METRICS_PORT": "0"}
        return [self._start(f"{provider}-{n}", [module], own) for n in range(workers)]

    def _start(self, name: str, words: list[str], own: dict[str, str]) -> ChildProcess:
        child = ChildProcess(
            name,
            [sys.executable, "-m", *words],
            log=self._folder / f"{name}.log",
            env={**inherited(), "PLT_METRICS_PORT": "off", **own},
            cwd=CHECKOUT,
        )
        self._children.append(child)
        return self._contexts.enter_context(child)

    def _broker(self) -> list[int]:
        return usage.with_descendants(self.node.pid)

    def _attended_by(self, workers: int) -> bool:
        for child in self._children:
            if not child.alive:
                raise Failed(f"{child.name} ended:\n{child.last_lines()}")
        try:
            state: Any = httpx.get(f"http://{self.gateway}/ready", trust_env=False).json()
            self.direct_calls()
        except httpx.TransportError:
            return False
        providers = state.get("providers", {})
        attending: list[int] = [
            providers.get(name, {}).get("consumers", 0) for name in self._workers
        ]
        return min(attending) >= workers


def metrics_url(child: ChildProcess) -> str:
    """Return the URL of the metrics of a gateway or worker with PLT_METRICS_PORT=0."""
    found = METRICS.search(child.log.read_text())
    if found is None:
        raise Failed(f"{child.name} serves no metrics:\n{child.last_lines()}")
    return found[1]


def _get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False).raise_for_status()


def inherited() -> dict[str, str]:
    """Return the environment of this process without PLT_ variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PLT_")}
