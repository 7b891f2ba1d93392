"""A worker with an in-memory platform, so that only machinist is measured."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from contracts.api import ApplyController
from contracts.operation import Operation
from contracts.resources import Machine, Object
from tests.bench.requests import CONTROLLERS, MACHINES, MEMORY, SCOPE, manifest
from tests.memory import MemoryProvider
from worker.__main__ import main
from worker.provider import Call
from worker.providers import PROVIDERS


class ConstantMemoryProvider(MemoryProvider):
    """Records no calls and starts no machines, because both would grow with the load."""

    def _begin(self, operation: Operation[Any]) -> None:
        pass

    def _scale(self, scope: str, manifest: Object, replicas: int) -> None:
        manifest["spec"]["replicas"] = replicas


@asynccontextmanager
async def open_memory(_: Mapping[str, str]) -> AsyncIterator[MemoryProvider]:
    """Open the provider, with machines and controllers."""
    provider = ConstantMemoryProvider()
    for name in MACHINES:
        labels = {"app.kubernetes.io/name": name}
        provider.machines[SCOPE, name] = Machine(
            id=name, status="Running", ready=True, labels=labels
        )
    for name in CONTROLLERS:
        await provider.apply_controller(ApplyController(SCOPE, manifest(name)), Call.within(1))
    yield provider


if __name__ == "__main__":
    PROVIDERS[MEMORY] = open_memory
    main()
