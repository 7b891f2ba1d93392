"""The processes under measurement, which end with the context."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port
from deploy.process import ChildProcess
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.waiting import wait_until
from tests.bench import usage
from tests.bench.platform import CONTROLLERS, KUBERNETES, MACHINES, MEMORY

CHECKOUT = Path(__file__).resolve().parent.parent.parent
JOB_TIMEOUT_S = 60
READY_S = 60

Result = TypeVar("Result")


def run(module: str, job: Struct, result: type[Result]) -> Result:
    """Run a job in a new process, and return its result."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}"],
        input=msgspec.json.encode(job),
        capture_output=True,
        timeout=JOB_TIMEOUT_S,
        cwd=CHECKOUT,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{module} failed:\n{done.stderr.decode()}")
    return msgspec.json.decode(done.stdout, type=result)


class Stage:
    """A broker, a gateway, workers of both platforms, the Kubernetes sandbox and an echo server.

    The sandbox runs in this process, which is otherwise idle during a measurement.
    """

    def __init__(self, folder: Path, workers: int, contexts: ExitStack) -> None:
        self._folder = folder
        self._contexts = contexts
        self._children: list[ChildProcess] = []
        self.node = contexts.enter_context(RabbitNode(folder / "rabbitmq"))
        self.sandbox = contexts.enter_context(KubernetesSandbox.in_thread())
        self.sandbox.add_pod(MACHINES[0])
        for name in CONTROLLERS:
            self.sandbox.add_deployment(name, replicas=1)
        port = Port.any_free()
        contexts.callback(port.release)
        self.gateway = f"{LOOPBACK}:{port.number}"
        broker = {"PLT_AMQP_URL": self.node.amqp_url}
        served = {"PLT_HOST": LOOPBACK, "PLT_PORT": str(port.number)}
        expected = {"PLT_PROVIDERS": f"{MEMORY},{KUBERNETES}"}
        self._echo = self._start("echo", ["tests.bench.echo", self.node.amqp_url], {})
        self._gateway = self._start("gateway", ["gateway"], broker | served | expected)
        self._workers = {
            MEMORY: self._attach(workers, "tests.bench.memory_worker", broker, MEMORY),
            KUBERNETES: self._attach(
                workers, "worker", broker | self.sandbox.environment, KUBERNETES
            ),
        }
        condition = f"{workers} workers attend each platform"
        wait_until(lambda: self._attended_by(workers), READY_S, condition)

    def through(self, provider: str) -> dict[str, list[int]]:
        """Return the processes of a request to a provider, by group."""
        workers = [child.pid for child in self._workers[provider]]
        parts = {"asks": [self._gateway.pid], "answers": workers, "broker": self._broker()}
        return parts | {"sandbox": [os.getpid()]}

    def floor(self) -> dict[str, list[int]]:
        """Return the processes of an echo, by group, without the client."""
        return {"answers": [self._echo.pid], "broker": self._broker()}

    def _attach(
        self, workers: int, module: str, environment: dict[str, str], provider: str
    ) -> list[ChildProcess]:
        own = environment | {"PLT_PROVIDER": provider}
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
        except httpx.TransportError:
            return False
        providers = state.get("providers", {})
        attending: list[int] = [
            providers.get(name, {}).get("consumers", 0) for name in self._workers
        ]
        return min(attending) >= workers


def inherited() -> dict[str, str]:
    """Return the environment of this process without PLT_ variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PLT_")}
