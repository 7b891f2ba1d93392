"""The results of all rounds: medians, ratios and goals."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from math import inf

from msgspec import Struct

from tests.bench.loads.measure import Measurement
from tests.bench.loads.messages import Messages
from tests.bench.rows import MACHINIST, Goal, Row

MICRO = 1e6
MILLI = 1e3


class Line(Struct):
    """One kind of load by one way: medians over the rounds; CPU in microseconds per round trip."""

    what: str
    at_once: int
    round_trips_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]
    load_busy: float | None
    others_busy: float
    stolen: float
    failures: dict[str, int]


class Counts(Struct):
    """Calls of the API server and messages of the broker, per request."""

    calls: float
    messages: Messages | None = None


class Verdict(Struct):
    """A goal, the measured multiple, and whether the goal is reached."""

    goal: Goal
    measured: float
    is_reached: bool


class Compared(Struct):
    """One row: the line and the counts of each way, and the multiples of machinist's figure."""

    what: str
    at_once: int
    is_rate: bool
    ways: dict[str, Line]
    counts: dict[str, Counts]
    multiples: dict[str, float]
    verdicts: list[Verdict]

    def figure(self, way: str) -> float:
        """Return the rate per second, or the median latency in milliseconds."""
        line = self.ways[way]
        return line.round_trips_per_s if self.is_rate else line.p50_ms

    def speed(self, way: str) -> float:
        """Return how many times as fast as another way machinist is."""
        multiple = self.multiples[way]
        return multiple if self.is_rate else 1 / multiple if multiple else inf


class Report(Struct):
    """All results, and the environment of the measurement."""

    measured_on: dict[str, str]
    is_sandbox: bool
    compared: list[Compared]
    lines: list[Line]


def all_lines(compared: list[Compared], lines: list[Line]) -> list[Line]:
    """Return the lines of all ways and loads."""
    return [line for each in compared for line in each.ways.values()] + lines


def failures(report: Report) -> dict[str, dict[str, int]]:
    """Return the failures by kind of load."""
    lines = all_lines(report.compared, report.lines)
    return {line.what: line.failures for line in lines if line.failures}


def others_busy(compared: list[Compared], lines: list[Line]) -> float:
    """Return the share of the machine that processes outside the bench used, as a median."""
    return statistics.median(each.others_busy for each in all_lines(compared, lines))


def line(what: str, at_once: int, rounds: list[Measurement]) -> Line:
    """Return the line of one kind of load; the echo has no separate load generator."""

    def median(figure: Callable[[Measurement], float]) -> float:
        return statistics.median(map(figure, rounds))

    def per_round_trip(group: str) -> float:
        return median(lambda each: each.usage.groups[group] / max(1, each.round_trips))

    groups = rounds[0].usage.groups
    is_loaded = "load" in groups
    return Line(
        what,
        at_once,
        median(lambda each: each.round_trips / each.usage.clock),
        median(lambda each: each.p50) * MILLI,
        median(lambda each: each.p99) * MILLI,
        {group: per_round_trip(group) * MICRO for group in groups},
        median(lambda each: each.usage.groups["load"] / each.usage.clock) if is_loaded else None,
        median(lambda each: each.usage.others_busy),
        median(lambda each: each.usage.stolen_share),
        _sum(each.failures for each in rounds),
    )


def compared(
    row: Row, rounds: Mapping[str, list[Measurement]], counts: dict[str, Counts]
) -> Compared:
    """Compare the ways of a row. Each multiple is the median over the rounds, taken in turns."""

    def figure(way: str, number: int) -> float:
        found = rounds[way][number]
        return found.round_trips / found.usage.clock if row.is_rate else found.p50

    def multiple(way: str) -> float:
        numbers = range(len(rounds[way]))
        ratios = [figure(MACHINIST, each) / (figure(way, each) or inf) for each in numbers]
        return statistics.median(ratios)

    ways = {way: line(f"{row.what}, {way}", row.at_once, each) for way, each in rounds.items()}
    multiples = {way: multiple(way) for way in rounds if way != MACHINIST}
    verdicts = [_verdict(row, goal, multiples[goal.way]) for goal in row.goals]
    return Compared(row.what, row.at_once, row.is_rate, ways, counts, multiples, verdicts)


def _verdict(row: Row, goal: Goal, measured: float) -> Verdict:
    is_reached = measured >= goal.factor if row.is_rate else measured <= goal.factor
    return Verdict(goal, measured, is_reached)


def _sum(all_failures: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for failures in all_failures:
        for name, count in failures.items():
            total[name] = total.get(name, 0) + count
    return total
