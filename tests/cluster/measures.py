"""The effect of a disturbance on the load: the outage, and the broken promises."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from contracts.outcomes import Result
from tests.cluster.load import RequestResult
from tests.history import checker
from tests.history.history import ACCEPTED, Command, Fate, History

OK = 200
COMPATIBLE = {Result.DONE, Result.SUPERSEDED, Result.UNKNOWN}


class Outage(Struct, frozen=True):
    """The duration of failures by the start of requests, the longest request, and statuses."""

    seconds: float
    longest: float
    statuses: dict[int, int]


class BrokenPromises(Struct, frozen=True):
    """The violations of each kind, with one line per command."""

    lost: list[str]
    out_of_order: list[str]
    not_on_platform: list[str]
    refused_but_run: list[str]
    without_one_outcome: list[str]

    def lines(self) -> list[str]:
        """Return all lines, each with its kind."""
        return [
            f"{name.replace('_', ' ')}: {line}"
            for name in self.__struct_fields__
            for line in getattr(self, name)
        ]


def outage(requests: Sequence[RequestResult]) -> Outage:
    """Measure from the first failed request to the first success after the last failure.

    Without such a success the duration is infinite.
    """
    failed = [each.start for each in requests if each.status != OK]
    seconds = 0.0
    if failed:
        good = [each.start for each in requests if each.status == OK and each.start > max(failed)]
        seconds = min(good, default=float("inf")) - min(failed)
    longest = max((each.end - each.start for each in requests), default=0.0)
    return Outage(seconds, longest, dict(sorted(Counter(each.status for each in requests).items())))


def broken_promises(history: History) -> BrokenPromises:
    """Find the broken promises in a history whose commands have ids."""
    written = {(write.address, write.value) for write in history.writes}
    ends: dict[str, list[Result]] = defaultdict(list)
    for record in history.records:
        if record.result is not Result.STARTED:
            ends[record.id].append(record.result)
    accepted = [each for each in history.commands if each.fate in ACCEPTED]
    return BrokenPromises(
        lost=_lines(each for each in accepted if _is_lost(each, ends, written)),
        out_of_order=[
            f"{each.address} {each.value}: {each.what}" for each in checker.violations(history)
        ],
        not_on_platform=_lines(
            each
            for each in accepted
            if each.fate is Fate.ANSWERED and (each.address, each.value) not in written
        ),
        refused_but_run=_lines(
            each
            for each in history.commands
            if each.fate is Fate.REFUSED and (each.address, each.value) in written
        ),
        without_one_outcome=[
            *_lines(each for each in accepted if not ends[each.id or ""]),
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
    """Tell whether an accepted command was neither written nor superseded."""
    is_written = (command.address, command.value) in written
    return not is_written and Result.SUPERSEDED not in ends[command.id or ""]


def _contradict(results: list[Result]) -> bool:
    """Tell whether final outcomes of one id exclude each other.

    After a lost acknowledgement a finished command is redelivered. The next owner runs it again, or
    records it as unknown after its deadline.
    """
    return len(set(results)) > 1 and not COMPATIBLE.issuperset(results)


def _lines(commands: Iterable[Command]) -> list[str]:
    return [f"{each.address} {each.value} was {each.fate.value}" for each in commands]
