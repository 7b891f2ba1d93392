"""Text reports of a history: its figures, and a timeline of a violation."""

from collections import Counter

from contracts.outcomes import Result
from tests.history.addresses import SETTLED_S, addresses
from tests.history.checker import Violation, overlaps, repeated
from tests.history.history import History


def summary(history: History) -> list[str]:
    """Return the figures of a history."""
    by_address = addresses(history)
    fates = Counter(command.fate.value for command in history.commands)
    ends = Counter(record.result.value for record in history.records)
    runs = Counter((write.address, write.value) for write in history.writes)
    in_flight = sum(own.killed(write) for own in by_address for write in own.writes)
    overlapping = sum(1 for own in by_address for _ in overlaps(own))
    again = [pair for own in by_address for each in own.commands for pair in repeated(own, each)]
    finals = sum(first.result is not Result.STARTED for first, _ in again)
    return [
        f"  commands: {len(history.commands)} {dict(fates)}",
        f"  outcomes: {dict(ends)}",
        f"  platform calls: {len(history.writes)}, of these re-runs after a disturbance: "
        f"{len(history.writes) - len(runs)}",
        f"  in flight when their worker was killed: {in_flight}, overlapping: {overlapping}",
        f"  repeated outcomes: {finals} final, {len(again) - finals} started",
        f"  disturbances: {dict(Counter(each.what for each in history.disturbances))}",
    ]


def timeline(history: History, violation: Violation, around: int = 2) -> list[str]:
    """Return the events around a violation: of its value, its neighbours, and disturbances."""
    own = [each for each in history.commands if each.address == violation.address]
    position = next((n for n, each in enumerate(own) if each.value == violation.value), 0)
    near = {each.value: each for each in own[max(0, position - around) : position + around + 1]}
    values = {each.id: each.value for each in near.values() if each.id}
    lines = [(each.start, f"write {each.value}", each.end) for each in history.writes
             if each.address == violation.address and each.value in near]  # fmt: skip
    lines += [
        (each.at, f"{each.result} {values[each.id]} by {each.worker} ({each.id[:8]})", None)
        for each in history.records
        if each.id in values
    ]
    if lines:
        begin, end = min(lines)[0] - SETTLED_S, max(lines)[0]
        lines += [(each.began, f"{each.what} of {sorted(each.hits)}", each.ended)
                  for each in history.disturbances
                  if each.began <= end and each.ended >= begin]  # fmt: skip
    fates = ", ".join(f"{value} {each.fate.value}" for value, each in near.items())
    shown = [_line(*line) for line in sorted(lines, key=lambda line: line[0])]
    return [f"{violation.address} {violation.value}: {violation.what} [{fates}]", *shown]


def _line(start: float, what: str, end: float | None) -> str:
    return f"    {start:.3f} {what}" + ("" if end is None else f" until {end:.3f}")
