"""A provider with shared reads and a clock that the test drives."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from contracts.freshness import Freshness
from contracts.operation import Operation
from tests.calls import ample
from tests.ecs.opened import open_client
from worker.dispatch import methods
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider
from worker.shared_reads import Limits, SharedReads

SECONDS = 2.0


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def open_sharing(
    environment: Mapping[str, str], clock: Clock, seconds: float = SECONDS
) -> AsyncIterator[EcsProvider]:
    """Open a provider whose queries share reads for this time of the clock."""
    shared = SharedReads(Limits(seconds), clock)
    async with open_client(environment) as client:
        yield EcsProvider(client, shared)
        await shared.aclose()


def query(max_age_s: float | None = None, **versions: int) -> Call:
    """Return the call of a query through a gateway that knows these versions."""
    call = ample()
    call.freshness = Freshness(versions, max_age_s)
    return call


async def ask(provider: EcsProvider, operation: Operation[Any], call: Call | None = None) -> Any:
    """Return the answer to a query, by default to one that knows of no command."""
    return await methods(provider)[operation.row.name](operation, call or query())
