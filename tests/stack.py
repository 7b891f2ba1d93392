"""Gateways and workers as processes on a real broker, which tests kill, freeze and stop."""

import os
import re
import signal
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

from deploy.ports import Port
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.faults import Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.stack import NO_AWS_FILES
from tests.forking import forking, run

if TYPE_CHECKING:  # moto takes 1.7 s of CPU to import, and most tests need no AWS
    from deploy.sandbox.aws.server import AwsSandbox

METRICS = re.compile(r"metrics on (http://\S+)/metrics")
REPOSITORY = Path(__file__).parent.parent
BOUND_S = 120.0
"""The default limit of every wait. It only ends a hang, so it is long enough for a busy machine."""

SHORTEST_S, LONGEST_S = 0.05, 0.25
"""The intervals at which a condition is checked."""

HELD_S = 2 * BOUND_S
PATIENT = "55000"
"""PLT_DEADLINE_MS of gateways with held requests."""


def eventually(condition: Callable[[], object], within: float = BOUND_S, what: str = "") -> None:
    """Wait for a condition; a limit below the default is a promise under test.

    The interval grows with the wait, because most conditions are requests to a process.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        if waited > within:
            raise AssertionError(f"not within {within} seconds: {what or condition}")
        time.sleep(min(max(SHORTEST_S, waited / 10), LONGEST_S))


class Held:
    """A request for which the platform has no answer yet."""

    def __init__(self, fault: Fault, sending: Future[httpx.Response]) -> None:
        self._fault = fault
        self._sending = sending

    @property
    def is_waiting(self) -> bool:
        """True until the gateway has answered."""
        return not self._sending.done()

    def response(self) -> httpx.Response:
        """Let the platform answer, and return the gateway's response."""
        self._fault.delay = 0
        return self._sending.result()


def in_thread(send: Callable[[], httpx.Response]) -> Future[httpx.Response]:
    """Send a request in a thread; the result is the response."""
    executor = ThreadPoolExecutor(max_workers=1)
    answer = executor.submit(send)
    executor.shutdown(wait=False)
    return answer


class Process:
    """A gateway or worker process."""

    def __init__(
        self, module: str, environment: dict[str, str], log: Path, tree: Path = REPOSITORY
    ) -> None:
        """`tree` is the folder with the source, by default this checkout."""
        self.log = log
        self.log.touch()
        self._process = forking.Process(
            target=run, args=(module, os.environ | environment, log, tree), name=module
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id, which is part of a worker's name."""
        pid = self._process.pid
        assert pid is not None
        return pid

    @property
    def metrics_url(self) -> str:
        """The URL of the metrics port of a process with PLT_METRICS_PORT=0."""
        eventually(lambda: METRICS.search(self.log.read_text()), what="metrics are served")
        found = METRICS.search(self.log.read_text())
        assert found is not None
        return found[1]

    def kill(self) -> None:
        """Send SIGKILL and wait for the end, as in a crash."""
        self._process.kill()
        self._process.join()

    def freeze(self) -> None:
        """Send SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def ended(self, within: float = BOUND_S) -> int:
        """Wait for the end of the process and return its exit status."""
        self._process.join(within)
        status = self._process.exitcode
        assert status is not None, f"{self._process.name} has not ended within {within} s"
        return status

    def close(self) -> None:
        """Kill the process if it runs, even if it is frozen."""
        if self._process.is_alive():
            self.thaw()
            self.kill()


class Gateway(Process):
    """A gateway process, and a client for requests to it."""

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        port: int,
        tree: Path = REPOSITORY,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`token` is the bearer token of every request, `tls` the context of a client with TLS."""
        super().__init__("gateway", environment | {"PLT_PORT": str(port)}, log, tree)
        self.port = port
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
        self.http = httpx.Client(
            base_url=self.url,
            headers={} if token is None else {"authorization": f"Bearer {token}"},
            timeout=BOUND_S,
            trust_env=False,
            # The TLS context of `verify=True` would cost 50 ms of CPU, also for an http:// URL.
            verify=False if tls is None else tls,
        )

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def scale(self, name: str, replicas: int, provider: str = "k8s") -> httpx.Response:
        """Scale a controller of the namespace default."""
        return self.http.post(
            f"/{provider}/controllers/default/{name}",
            params={"kind": "Deployment", "apiVersion": "apps/v1"},
            json={"replicas": replicas},
        )

    def ready(self) -> dict[str, object]:
        """Return the body of /ready; empty while the gateway does not listen."""
        try:
            body: dict[str, object] = self.http.get("/ready").json()
        except httpx.TransportError:
            return {}
        return body

    def attended_by(self, workers: int, provider: str = "k8s") -> bool:
        """Tell whether this number of workers consumes the provider's queries."""
        providers = self.ready().get("providers") or {}
        assert isinstance(providers, dict)
        return bool(providers.get(provider, {}).get("consumers", 0) == workers)

    def close(self) -> None:
        self.http.close()
        super().close()


class Stack:
    """Starts the processes of a test, and kills them at the end."""

    def __init__(
        self, amqp_url: str, sandbox: KubernetesSandbox, node: RabbitNode, folder: Path
    ) -> None:
        self.amqp_url = amqp_url
        self.sandbox = sandbox
        self.node = node
        self._folder = folder
        self._started = 0
        self._closing = ExitStack()

    def gateway(
        self,
        token: str | None = None,
        tree: Path = REPOSITORY,
        tls: ssl.SSLContext | None = None,
        /,
        **variables: str,
    ) -> Gateway:
        """Start a gateway that expects the provider k8s, and wait until it is connected.

        `token` is the bearer token of every request to it. `tree` is the
        folder with its source. `tls` is the context of a client, if the gateway has a certificate.
        """
        port = Port.any_free()
        self._closing.callback(port.release)
        environment = {"PLT_AMQP_URL": self.amqp_url, "PLT_PROVIDERS": "k8s"} | variables
        gateway = Gateway(environment, self._log("gateway"), port.number, tree, token, tls)
        self._closing.callback(gateway.close)
        if variables.get("PLT_AMQP_URL") is None:
            eventually(
                lambda: gateway.ready().get("status") == "ready", what="the gateway is ready"
            )
        return gateway

    def worker(self, tree: Path = REPOSITORY, /, **variables: str) -> Process:
        """Start a worker for the Kubernetes sandbox."""
        environment = {
            "PLT_AMQP_URL": self.amqp_url,
            "PLT_PROVIDER": "k8s",
            **self.sandbox.environment,
        } | variables
        worker = Process("worker", environment, self._log("worker"), tree)
        self._closing.callback(worker.close)
        return worker

    def ecs_worker(self, aws: "AwsSandbox", **variables: str) -> Process:
        """Start a worker for the AWS sandbox."""
        environment = {
            "PLT_AMQP_URL": self.amqp_url,
            "PLT_PROVIDER": "ecs",
            **NO_AWS_FILES,
            **aws.environment,
        } | variables
        worker = Process("worker", environment, self._log("ecs-worker"))
        self._closing.callback(worker.close)
        return worker

    def serving(self, workers: int = 1, **variables: str) -> tuple[Gateway, list[Process]]:
        """Start a gateway and workers, and wait until the workers are attached."""
        started = [self.worker() for _ in range(workers)]
        gateway = self.gateway(**variables)
        eventually(lambda: gateway.attended_by(workers), what="the workers are attached")
        return gateway, started

    def held_query(self, gateway: Gateway, times: int | None = None) -> Held:
        """Send a query in a thread, and wait until a worker runs it.

        The platform holds this number of queries, by default all.
        """
        fault = self.sandbox.faults.add(method="GET", path="/pods", delay=HELD_S, times=times)
        asking = in_thread(lambda: gateway.get("/k8s/machines/default"))
        eventually(lambda: self.sandbox.calls.count("GET", "/pods"), what="the query runs")
        return Held(fault, asking)

    def _log(self, kind: str) -> Path:
        self._started += 1
        return self._folder / f"{self._started}-{kind}.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
