"""Gateways and workers that are replaced one at a time, as a rolling update does."""

import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tests.stack import REPOSITORY, Gateway, Process, Stack, eventually
from tests.upgrades.service import Service

DRAIN_S = 2
"""Longer than the probes and the propagation of the service."""


PATIENCE_MS = 60_000
"""The sandbox shares this process with the clients, and may respond late on a busy machine."""


class Stop(Struct, frozen=True):
    """The stop of a worker: the time of SIGTERM and of its end."""

    provider: str
    pid: int
    at: float
    ended: float


class Fleet:
    """The running gateways and workers; a new process starts before an old one is stopped."""

    def __init__(self, stack: Stack, service: Service, providers: Sequence[str]) -> None:
        self._stack = stack
        self._service = service
        self._providers = providers
        self._gateways: list[tuple[Gateway, Path]] = []
        self._workers: dict[str, list[Process]] = {name: [] for name in providers}
        self.stops: list[Stop] = []

    def start(self, gateways: int, workers: int, tree: Path = REPOSITORY) -> None:
        """Start gateways, and workers for each provider, from this source."""
        for provider in self._providers:
            self._workers[provider] = [self._worker(provider, tree) for _ in range(workers)]
        for _ in range(gateways):
            self._start_gateway(tree)
        for provider in self._providers:
            self._wait_attached(provider)

    def replace_gateways(self, tree: Path = REPOSITORY) -> None:
        """Replace every gateway by one of this source."""
        for old, source in list(self._gateways):
            self._wait_routed(self._start_gateway(tree))
            if source != REPOSITORY:
                self._retire(old)
            old.terminate()
            assert old.ended() == 0, old.log.read_text()
            self._gateways.remove((old, source))

    def replace_workers(self, tree: Path = REPOSITORY) -> None:
        """Replace every worker by one of this source."""
        for provider, workers in self._workers.items():
            for old in list(workers):
                workers.append(self._worker(provider, tree))
                self._wait_attached(provider)
                at = time.time()
                old.terminate()
                assert old.ended() == 0, old.log.read_text()
                self.stops.append(Stop(provider, old.pid, at, time.time()))
                workers.remove(old)

    def _wait_routed(self, gateway: Gateway) -> None:
        eventually(lambda: gateway.port in self._service.routed, what="the gateway is routed")

    def _retire(self, gateway: Gateway) -> None:
        """Take a gateway that has no drain out of service before its stop."""
        self._service.retire(gateway.port)
        connections = self._service.connections
        eventually(lambda: not connections[gateway.port], what="its clients have left")

    def _start_gateway(self, tree: Path) -> Gateway:
        gateway = self._stack.gateway(
            None,
            tree,
            PLT_PROVIDERS=",".join(self._providers),
            PLT_DRAIN_SECONDS=str(DRAIN_S),
            PLT_DEADLINE_MS=str(PATIENCE_MS),
        )
        self._gateways.append((gateway, tree))
        self._service.add(gateway.port)
        return gateway

    def _worker(self, provider: str, tree: Path) -> Process:
        patience = {"PLT_K8S_CONNECT_TIMEOUT_MS": str(PATIENCE_MS)}
        return self._stack.worker(tree, PLT_PROVIDER_NAME=provider, **patience)

    def _wait_attached(self, provider: str) -> None:
        gateway, _ = self._gateways[-1]
        workers = len(self._workers[provider])
        eventually(lambda: gateway.attended_by(workers, provider), what="the workers are attached")
