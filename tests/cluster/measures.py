"""What a disturbance did to the load: how long it failed, and which promises were not kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from contracts.outcomes import Result
from tests.cluster.load import Asked
from tests.history import checker
from tests.history.history import ACCEPTED, Command, Fate, History

OK = 200
AFTER_A_REDELIVERY = {Result.DONE, Result.SUPERSEDED, Result.UNKNOWN}


class Outage(Struct, frozen=True):
    """How long requests failed, by their start, and how: requests by status."""

    seconds: float
    longest: float
    statuses: dict[int, int]


class Broken(Struct, frozen=True):
    """What was not kept, each as lines that tell of one command."""

    lost: list[str]
    out_of_order: list[str]
    not_on_platform: list[str]
    refused_but_run: list[str]
    without_one_outcome: list[str]

    def lines(self) -> list[str]:
        """All of them."""
        return [
            f"{name.replace('_', ' ')}: {line}"
            for name in self.__struct_fields__
            for line in getattr(self, name)
        ]


def outage(asked: Sequence[Asked]) -> Outage:
    """Measure from the first request that failed to the first success after the last one.

    Without such a success the outage lasts for ever.
    """
    failed = [each.start for each in asked if each.status != OK]
    seconds = 0.0
    if failed:
        good = [each.start for each in asked if each.status == OK and each.start > max(failed)]
        seconds = min(good, default=float("inf")) - min(failed)
    longest = max((each.end - each.start for each in asked), default=0.0)
    return Outage(seconds, longest, dict(sorted(Counter(each.status for each in asked).items())))


def broken(history: History) -> Broken:
    """Judge a history; its commands have their ids."""
    written = {(write.address, write.value) for write in history.writes}
    ends: dict[str, list[Result]] = defaultdict(list)
    for record in history.records:
        if record.result is not Result.STARTED:
            ends[record.id].append(record.result)
    accepted = [each for each in history.commands if each.fate in ACCEPTED]
    return Broken(
        lost=_told(each for each in accepted if _is_lost(each, ends, written)),
        out_of_order=[
            f"{each.address} {each.value}: {each.what}" for each in checker.violations(history)
        ],
        not_on_platform=_told(
            each
            for each in accepted
            if each.fate is Fate.ANSWERED and (each.address, each.value) not in written
        ),
        refused_but_run=_told(
            each
            for each in history.commands
            if each.fate is Fate.REFUSED and (each.address, each.value) in written
        ),
        without_one_outcome=[
            *_told(each for each in accepted if not ends[each.id or ""]),
            *(
                f"{identity} ended as {' and '.join(results)}"
                for identity, results in ends.items()
                if _contradict(results)
            ),
        ],
    )


def _is_lost(
    command: Command, ends: dict[str, list[Result]], written: set[tuple[str, int]]
) -> bool:
    """Whether nothing became of an accepted command: no effect, and no newer one in its place."""
    is_written = (command.address, command.value) in written
    return not is_written and Result.SUPERSEDED not in ends[command.id or ""]


def _contradict(results: list[Result]) -> bool:
    """Whether final outcomes of one id exclude each other.

    A lost acknowledgement brings a command back after its end. The next owner runs it, or finds it
    too late to tell whether it was run.
    """
    return len(set(results)) > 1 and not AFTER_A_REDELIVERY.issuperset(results)


def _told(commands: Iterable[Command]) -> list[str]:
    return [f"{each.address} {each.value} was {each.fate.value}" for each in commands]
