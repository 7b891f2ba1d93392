"""Finds violations of promises 2, 5 and 7 in a recorded history.

For each address, with its commands numbered in publish order:

- **Order.** The numbers at the platform rise. A lower number is a re-run: the command ran or was
  superseded before, and its worker was disturbed since. After a re-run, every later command that
  had run runs again in order, before any new command.
- **Exclusion.** A call begins after the end of the previous call, unless the worker of the previous
  call was killed during it.
- **Nothing lost.** Every accepted command has a final outcome, and the first one matches the
  publisher's result. A `done` command was written. A `superseded` command names a later command,
  which was not lost. `expired` and refused commands were never written. The last value on the
  platform is the last accepted value, or a later one whose result is unknown.
- **One outcome.** A run is recorded as started before its call. A command is started or ended again
  only if the worker of the first record was disturbed in between.
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
    """A broken promise at one value of one address."""

    address: str
    value: int
    what: str


def violations(history: History) -> list[Violation]:
    """Return all violations in a history."""
    found = list(_unpublished(history))
    for address in addresses(history):
        for rule in (_out_of_order, _overlapping, _lost, _last, _recorded_again):
            found += rule(address)
    return found


def _unpublished(history: History) -> Iterator[Violation]:
    published = {(command.address, command.value) for command in history.commands}
    for write in history.writes:
        if (write.address, write.value) not in published:
            yield Violation(write.address, write.value, "written, but never published")
    ids = {command.id for command in history.commands}
    unknown = {(each.address, each.id) for each in history.records if each.id not in ids}
    for address, count in Counter(address for address, _ in unknown).items():
        yield Violation(address, 0, f"outcomes of {count} commands that were never published")


def _out_of_order(address: Address) -> Iterator[Violation]:
    former: dict[int, Write] = {}
    at = -1
    for write in address.writes:
        here = address.positions[write.value]
        before = former.get(here)
        skipped = [position for position in range(at + 1, here) if position in former]
        if before is not None:
            if not address.may_repeat(address.run_of(before), before.start, write.start):
                yield _violation(address, write.value, "run again without a disturbance")
        elif here < at and not _superseded_before(address, here, write):
            yield _violation(address, write.value, "first run after a later command")
        for position in skipped:
            if not _superseded_before(address, position, write):
                value = address.commands[position].value
                yield _violation(
                    address, value, "not run again, although the command before it was"
                )
        former[here] = write
        at = here


def _superseded_before(address: Address, position: int, write: Write) -> bool:
    """Tell whether the command was superseded by a worker that was disturbed before this call."""
    finals = address.finals(address.commands[position])
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
                address, latter.value, f"run during {former.value}, whose worker was not killed"
            )


def overlaps(address: Address) -> Iterator[tuple[Write, Write]]:
    """Yield pairs of calls of which the second began before the end of the first."""
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
        yield "written, but the publisher got 'not attempted'"
    finals = address.finals(command)
    if not finals:
        if command.id is not None and command.fate is not Fate.REFUSED:
            yield "no final outcome"
        elif command.fate in ACCEPTED:
            yield "accepted, but never queued"
        return
    first = finals[0]
    if first.result not in ENDS[command.fate]:
        yield f"ended as {first.result}, but the publisher got {command.fate.value}"
    if first.result is Result.DONE and not written:
        yield "ended as done, but was never written"
    if first.result is Result.EXPIRED and written:
        yield "ended as expired, but was written"
    if first.result is Result.SUPERSEDED and not _follows(address, command, first):
        yield f"superseded by {first.superseded_by}, not a later command of the address"


def _follows(address: Address, command: Command, end: Record) -> bool:
    """Tell whether a later command superseded this one; that command is checked separately."""
    later = address.commands[address.positions[command.value] + 1 :]
    return any(each.id == end.superseded_by for each in later)


def _last(address: Address) -> Iterator[Violation]:
    """Check the last value on the platform."""
    accepted = [each.value for each in address.commands if each.fate in ACCEPTED]
    if not accepted:
        return
    left = address.positions[address.writes[-1].value] if address.writes else -1
    if left < address.positions[accepted[-1]]:
        found = address.writes[-1].value if address.writes else "nothing"
        yield _violation(address, accepted[-1], f"accepted last, but the platform has {found}")


def _recorded_again(address: Address) -> Iterator[Violation]:
    for write in address.writes:
        command = address.commands[address.positions[write.value]]
        if address.run_of(write) is None:
            yield _violation(address, write.value, "written before it was recorded as started")
    for command in address.commands:
        for first, second in repeated(address, command):
            # A delayed record may have an earlier time than the record before it.
            earlier, later = sorted((first, second), key=lambda record: record.at)
            if not address.disturbed(earlier.worker, earlier.at, later.at):
                what = f"{second.result} after {first.result} without a disturbance"
                yield _violation(address, command.value, what)


def repeated(address: Address, command: Command) -> Iterable[tuple[Record, Record]]:
    """Yield repeated records: `started` after `started`, and any record after a final one."""
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
