"""Shapes of the replies of `/status` and `/ready`, used by the documents only."""

from typing import Annotated

from msgspec import Meta

from contracts.shapes import Shape


class GatewayStatus(Shape, frozen=True, kw_only=True):
    """Liveness of the gateway."""

    status: str
    version: str


class BrokerState(Shape, frozen=True, kw_only=True):
    """The connection to the broker, or the reason why there is none, and definitions to import."""

    reachable: bool
    since: str | None
    reason: str | None
    missing: list[str]


class AttachedWorker(Shape, frozen=True, kw_only=True):
    """An attached worker, with the partitions that it owns."""

    worker: str
    version: str
    since: str | None
    partitions: list[int]
    clock_behind_seconds: float | None


class AttachedProvider(Shape, frozen=True, kw_only=True):
    """The workers of one provider; `live_reads` says why frequent queries ask the platform."""

    attended: bool
    consumers: int
    since: str | None
    workers: list[AttachedWorker]
    live_reads: list[str]


class Readiness(Shape, frozen=True, kw_only=True):
    """Readiness of the gateway: `ready`, `degraded`, `not ready` or `draining`."""

    status: str
    version: str
    broker: BrokerState
    providers: Annotated[dict[str, AttachedProvider], Meta(title="AttachedProviders")]
