"""Tells a history to people: its figures, and the lines that show what was not kept."""

from collections import Counter

from contracts.outcomes import Result
from tests.history.addresses import SETTLED_S, addresses
from tests.history.checker import Violation, overlaps, repeated
from tests.history.history import History


def summary(history: History) -> list[str]:
    """What happened how often."""
    all_of_them = addresses(history)
    fates = Counter(command.fate.value for command in history.commands)
    ends = Counter(record.result.value for record in history.records)
    runs = Counter((write.address, write.value) for write in history.writes)
    on_the_wire = sum(own.killed(write) for own in all_of_them for write in own.writes)
    overlapping = sum(1 for own in all_of_them for _ in overlaps(own))
    again = [pair for own in all_of_them for each in own.commands for pair in repeated(own, each)]
    finals = sum(first.result is not Result.STARTED for first, _ in again)
    return [
        f"  asked: {len(history.commands)} {dict(fates)}",
        f"  outcomes: {dict(ends)}",
        f"  calls of the platform: {len(history.writes)}, of these re-runs after a disturbance: "
        f"{len(history.writes) - len(runs)}",
        f"  on the wire when their worker was killed: {on_the_wire}, overlapping: {overlapping}",
        f"  outcomes that came again: {finals} final, {len(again) - finals} started",
        f"  hurt: {dict(Counter(each.what for each in history.disturbances))}",
    ]


def timeline(history: History, violation: Violation, around: int = 2) -> list[str]:
    """The lines of a history that show a violation: its value, its neighbours, what was hurt."""
    own = [each for each in history.commands if each.address == violation.address]
    place = next((n for n, each in enumerate(own) if each.value == violation.value), 0)
    near = {each.value: each for each in own[max(0, place - around) : place + around + 1]}
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
