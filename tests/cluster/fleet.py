"""Gateways and workers on a broker cluster and the Kubernetes sandbox."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from deploy.ports import Port
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.stack import Gateway, Process, eventually

READY_S = 60.0


class Fleet:
    """Starts gateways and workers with default settings, and kills them with the context."""

    def __init__(self, amqp_url: str, sandbox: KubernetesSandbox, folder: Path) -> None:
        self._amqp_url = amqp_url
        self._sandbox = sandbox
        self._folder = folder
        self._closing = ExitStack()
        self.gateways: list[Gateway] = []
        self.workers: list[Process] = []

    def gateway(self) -> Gateway:
        port = Port.any_free()
        self._closing.callback(port.release)
        environment = {"PLT_AMQP_URL": self._amqp_url, "PLT_PROVIDERS": "k8s"}
        log = self._folder / f"gateway-{len(self.gateways)}.log"
        gateway = Gateway(environment, log, port.number)
        self._closing.callback(gateway.close)
        self.gateways.append(gateway)
        return gateway

    def worker(self) -> Process:
        environment = {
            "PLT_AMQP_URL": self._amqp_url,
            "PLT_PROVIDER": "k8s",
            **self._sandbox.environment,
        }
        log = self._folder / f"worker-{len(self.workers)}.log"
        worker = Process("worker", environment, log)
        self._closing.callback(worker.close)
        self.workers.append(worker)
        return worker

    def start(self, gateways: int, workers: int) -> None:
        """Start workers and gateways, and wait until every gateway knows all workers."""
        for _ in range(workers):
            self.worker()
        for _ in range(gateways):
            self.gateway()
        for gateway in self.gateways:
            eventually(partial(gateway.attended_by, workers), READY_S, "workers attached")

    def one_more_of_each(self, within: float) -> float:
        """Start a gateway and a worker; return the seconds until both are ready."""
        began = time.monotonic()
        worker, gateway = self.worker(), self.gateway()
        eventually(lambda: _knows(gateway, worker), within, "the new gateway and worker are ready")
        return time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()


def _knows(gateway: Gateway, worker: Process) -> bool:
    """Tell whether a gateway is ready and knows that a worker is attached."""
    state = gateway.ready()
    if state.get("status") != "ready":
        return False
    providers = state["providers"]
    assert isinstance(providers, dict)
    names = [each["worker"] for each in providers.get("k8s", {}).get("workers", [])]
    return any(f"-{worker.pid}-" in name for name in names)
