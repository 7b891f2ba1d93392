"""The time in which partitions pass from a stopping worker to another one."""

from collections.abc import Sequence

from contracts import address
from contracts.api import UpdateControllerReplicas
from contracts.outcomes import Result
from tests.history.history import Record
from tests.upgrades.fleet import Stop


def hand_overs(records: Sequence[Record], stop: Stop) -> dict[int, float]:
    """Return the seconds from SIGTERM to the first start of a command by another worker, by slot.

    The slots are those of which the stopping worker ran the last command before SIGTERM.
    """
    starts = sorted(
        (each.at, each.worker, slot_of(each.address)) for each in records
         if each.result is Result.STARTED
    )  # fmt: skip
    owners: dict[int, int] = {}
    taken: dict[int, float] = {}
    for at, worker, slot in starts:
        if at < stop.at:
            owners[slot] = worker
        elif worker != stop.pid and owners.get(slot) == stop.pid:
            taken.setdefault(slot, at - stop.at)
    return taken


def slot_of(name: str) -> int:
    """Return the slot of a controller in the namespace default."""
    operation = UpdateControllerReplicas(scope="default", name=name, replicas=0)
    return address.slot(address.address(operation))
