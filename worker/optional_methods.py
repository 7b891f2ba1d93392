"""The methods that a provider may have beside the operations, and what they return."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from contracts.platform_access import Access
from worker.provider import Call


@runtime_checkable
class ReportsAccess(Protocol):
    """The method of a provider that tells which rights it lacks."""

    async def platform_access(self, scopes: Sequence[str], call: Call) -> Access:
        """Return whether the platform is reached, and the lacking rights in these scopes.

        Raises Fault if the platform is not reached or refuses the credentials.
        """


class InformerState(Struct, frozen=True):
    """The state of a local copy of a collection, for metrics and `/ready`.

    `problem` says why reads of the collection are live although they are frequent.
    """

    resource: str
    objects: int
    bytes: int
    age_s: float
    is_trusted: bool
    resyncs: int
    problem: str | None


@runtime_checkable
class HasInformers(Protocol):
    """The method of a provider that answers queries from local copies."""

    def informer_states(self) -> list[InformerState]:
        """Return the state of each informer that runs."""


class SharedReadsState(Struct, frozen=True):
    """The reads that queries shared, for metrics.

    `copies`, `joined` and `sent` count the reads that were answered from a copy, from a flight that
    was under way, and from a flight of their own. `entries` and `bytes` are those held now.
    """

    copies: int = 0
    joined: int = 0
    sent: int = 0
    entries: int = 0
    bytes: int = 0


@runtime_checkable
class HasSharedReads(Protocol):
    """The method of a provider whose queries share reads of the platform.

    The worker then announces every end of a command to the gateways, so that no later query gets a
    read that began before.
    """

    def shared_reads_state(self) -> SharedReadsState:
        """Return the counts of shared reads."""
