"""Finds in a recorded history what promises 2, 5 and 7 forbid.

For each address, with its commands numbered in publish order:

- **Order.** The platform sees numbers that rise. A number that does not is a re-run: it was run, or
  superseded, before, and the worker that did so was disturbed since. After a re-run everything that
  had been run behind it is run again, each in turn, before anything new: a step back is made good.
- **Alone.** A call begins after the former one's end, but for a call whose worker was killed in it.
- **Nothing lost.** Whatever the broker took has a final outcome, and the first one fits what the
  publisher was told; `done` was written, `superseded` names a later command that was not lost
  itself, `expired` and what was refused were never written, and the platform is left with the last
  accepted value, or with one asked for later whose end nobody knows.
- **One outcome.** A run is recorded as started before its call. A command is started or ended again
  only if the worker that did so first was disturbed in between.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from contracts.outcomes import Result
from tests.history.addresses import Address, addresses
from tests.history.history import ACCEPTED, Command, Fate, History, Record, Write

ENDS = {
    Fate.ANSWERED: {Result.DONE},
    Fate.CONFIRMED: {Result.DONE, Result.SUPERSEDED},
    Fate.OPEN: {Result.DONE, Result.SUPERSEDED, Result.EXPIRED, Result.UNKNOWN},
    Fate.REFUSED: {Result.REFUSED},
}


class Violation(Struct, frozen=True):
    """A promise that was not kept, at one value of one address."""

    address: str
    value: int
    what: str


def violations(history: History) -> list[Violation]:
    """All that was not kept."""
    found = list(_strangers(history))
    for address in addresses(history):
        for rule in (_out_of_order, _overlapping, _lost, _last, _recorded_again):
            found += rule(address)
    return found


def _strangers(history: History) -> Iterator[Violation]:
    asked = {(command.address, command.value) for command in history.commands}
    for write in history.writes:
        if (write.address, write.value) not in asked:
            yield Violation(write.address, write.value, "written, though nobody asked for it")
    ids = {command.id for command in history.commands}
    unknown = {(each.address, each.id) for each in history.records if each.id not in ids}
    for address, among in Counter(address for address, _ in unknown).items():
        yield Violation(address, 0, f"outcomes of {among} commands that nobody published")


def _out_of_order(address: Address) -> Iterator[Violation]:
    former: dict[int, Write] = {}
    at = -1
    for write in address.writes:
        here = address.places[write.value]
        before = former.get(here)
        skipped = [place for place in range(at + 1, here) if place in former]
        if before is not None:
            if not address.again_after(address.run_of(before), before.start, write.start):
                yield _violation(address, write.value, "run again without a disturbance")
        elif here < at and not _superseded_before(address, here, write):
            yield _violation(address, write.value, "run for the first time after a later one")
        for place in skipped:
            if not _superseded_before(address, place, write):
                value = address.commands[place].value
                yield _violation(address, value, "not run again, though what was before it was")
        former[here] = write
        at = here


def _superseded_before(address: Address, place: int, write: Write) -> bool:
    """Whether the command was superseded, by a worker that was disturbed before this call."""
    finals = address.finals(address.commands[place])
    return any(
        each.result is Result.SUPERSEDED
        and each.at <= write.start
        and address.disturbed(each.worker, each.at, write.start)
        for each in finals
    )


def _overlapping(address: Address) -> Iterator[Violation]:
    for former, latter in overlaps(address):
        if not address.killed(former):
            yield _violation(
                address, latter.value, f"run while {former.value} was, whose worker was not killed"
            )


def overlaps(address: Address) -> Iterator[tuple[Write, Write]]:
    """Pairs of calls of which the latter began before the former's end."""
    last: Write | None = None
    for write in address.writes:
        if last is not None and _end(last) > write.start:
            yield last, write
        if last is None or _end(write) >= _end(last):
            last = write


def _end(write: Write) -> float:
    return float("inf") if write.end is None else write.end


def _lost(address: Address) -> Iterator[Violation]:
    for command in address.commands:
        for what in _lost_of(address, command):
            yield _violation(address, command.value, what)


def _lost_of(address: Address, command: Command) -> Iterator[str]:
    written = command.value in address.written
    if command.fate is Fate.REFUSED and written:
        yield "written, though its publisher was told that nothing was attempted"
    finals = address.finals(command)
    if not finals:
        if command.id is not None and command.fate is not Fate.REFUSED:
            yield "no final outcome"
        elif command.fate in ACCEPTED:
            yield "accepted, but no queue ever got it"
        return
    first = finals[0]
    if first.result not in ENDS[command.fate]:
        yield f"ended as {first.result}, though its publisher was told {command.fate.value}"
    if first.result is Result.DONE and not written:
        yield "ended as done, but was never written"
    if first.result is Result.EXPIRED and written:
        yield "ended as expired, which never starts, but was written"
    if first.result is Result.SUPERSEDED and not _follows(address, command, first):
        yield f"superseded by {first.superseded_by}, which is no later command of the address"


def _follows(address: Address, command: Command, end: Record) -> bool:
    """Whether it was superseded by a later one; that one's own end is judged for itself."""
    later = address.commands[address.places[command.value] + 1 :]
    return any(each.id == end.superseded_by for each in later)


def _last(address: Address) -> Iterator[Violation]:
    """What the platform is left with."""
    accepted = [each.value for each in address.commands if each.fate in ACCEPTED]
    if not accepted:
        return
    left = address.places[address.writes[-1].value] if address.writes else -1
    if left < address.places[accepted[-1]]:
        found = address.writes[-1].value if address.writes else "nothing"
        yield _violation(address, accepted[-1], f"accepted last, but the platform has {found}")


def _recorded_again(address: Address) -> Iterator[Violation]:
    for write in address.writes:
        command = address.commands[address.places[write.value]]
        if address.run_of(write) is None:
            yield _violation(address, write.value, "written before it was recorded as started")
    for command in address.commands:
        for first, second in repeated(address, command):
            # A record that was late tells of an earlier moment than the one before it.
            earlier, later = sorted((first, second), key=lambda record: record.at)
            if not address.disturbed(earlier.worker, earlier.at, later.at):
                what = f"{second.result} after {first.result} without a disturbance"
                yield _violation(address, command.value, what)


def repeated(address: Address, command: Command) -> Iterable[tuple[Record, Record]]:
    """Records that came again: started after started, and any that came after a final one."""
    last: Record | None = None
    for record in address.recorded(command):
        again = last is not None and (
            record.result is Result.STARTED or last.result is not Result.STARTED
        )
        if last is not None and again:
            yield last, record
        last = record


def _violation(address: Address, value: int, what: str) -> Violation:
    return Violation(address.commands[0].address, value, what)
