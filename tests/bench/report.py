"""The report of all rounds, as a table or as JSON."""

import statistics
from collections.abc import Callable, Iterable

from msgspec import Struct

from tests.bench.added import Comparison
from tests.bench.measure import Measurement

MICRO = 1e6
MILLI = 1e3
BUSY = 0.8


class Line(Struct):
    """One kind of load: medians over the rounds; CPU in microseconds per round trip."""

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


class Added(Struct):
    """Medians over the rounds of the median latency through machinist and directly."""

    what: str
    through_p50_ms: float
    direct_p50_ms: float
    added_p50_ms: float


class Report(Struct):
    """All results, and the environment of the measurement."""

    measured_on: dict[str, str]
    lines: list[Line]
    added: list[Added]

    @property
    def failures(self) -> dict[str, dict[str, int]]:
        """The failures by kind of load."""
        return {line.what: line.failures for line in self.lines if line.failures}


def line(what: str, at_once: int, rounds: list[Measurement], cores: int) -> Line:
    """Return the line of one kind of load; the echo has no separate load generator."""

    def median(figure: Callable[[Measurement], float]) -> float:
        return statistics.median(map(figure, rounds))

    def busy(group: str) -> float:
        return median(lambda each: each.usage.groups[group] / each.usage.clock)

    def per_round_trip(group: str) -> float:
        return median(lambda each: each.usage.groups[group] / max(1, each.round_trips))

    groups = rounds[0].usage.groups
    return Line(
        what,
        at_once,
        median(lambda each: each.round_trips / each.usage.clock),
        median(lambda each: each.p50) * MILLI,
        median(lambda each: each.p99) * MILLI,
        {group: per_round_trip(group) * MICRO for group in groups},
        busy("load") if "load" in groups else None,
        median(lambda each: each.usage.others / each.usage.clock / cores),
        median(lambda each: each.usage.stolen / each.usage.clock / cores),
        _sum(each.failures for each in rounds),
    )


def added(what: str, rounds: list[Comparison]) -> Added:
    """Return the latency that machinist adds to a platform's own."""
    through = statistics.median(each.through for each in rounds) * MILLI
    direct = statistics.median(each.direct for each in rounds) * MILLI
    difference = statistics.median(each.through - each.direct for each in rounds) * MILLI
    return Added(what, through, direct, difference)


def table(report: Report) -> str:
    """Format the report as text."""
    rows = [
        f"{'':30}{'at':>4}{'round':>9}{'p50':>8}{'p99':>8}   CPU us per round trip"
        f"{'':14}{'load':>7}{'others':>8}{'stolen':>8}",
        f"{'':30}{'once':>4}{'trips/s':>9}{'ms':>8}{'ms':>8}"
        f"{'asks':>9}{'answers':>9}{'broker':>9}{'sandbox':>9}{'busy':>6}{'busy':>8}",
        *map(_row, report.lines),
        "",
        *map(_added_row, report.added),
        "",
        *(f"{name}: {value}" for name, value in report.measured_on.items()),
        "",
        *_notes(report),
    ]
    return "\n".join(rows)


def _row(line: Line) -> str:
    cpu = "".join(
        f"{line.cpu_us[name]:9.0f}" if name in line.cpu_us else f"{'-':>9}"
        for name in ("asks", "answers", "broker", "sandbox")
    )
    busy = "-" if line.load_busy is None else f"{line.load_busy:.0%}"
    return (
        f"{line.what:30}{line.at_once:4}{line.round_trips_per_s:9.0f}{line.p50_ms:8.2f}"
        f"{line.p99_ms:8.2f}{cpu}{busy:>7}{line.others_busy:8.0%}{line.stolen:8.0%}"
    )


def _added_row(added: Added) -> str:
    return (
        f"{added.what}: p50 {added.through_p50_ms:.2f} ms through machinist, "
        f"{added.direct_p50_ms:.2f} ms directly, in turns: {added.added_p50_ms:.2f} ms added"
    )


def _notes(report: Report) -> Iterable[str]:
    yield "asks: the gateway, or the echo client; answers: the workers, or the echo server."
    yield "load busy: share of one core used by the load generator. Shares of the whole machine:"
    yield "others busy, used by other processes; stolen, given to other machines by the hypervisor."
    for line in report.lines:
        if line.load_busy is not None and line.load_busy > BUSY:
            yield f"{line.what}, {line.at_once} at once: the load generator was the bottleneck."
        if line.failures:
            yield f"{line.what}, {line.at_once} at once: FAILURES {line.failures}"


def _sum(all_failures: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for failures in all_failures:
        for name, count in failures.items():
            total[name] = total.get(name, 0) + count
    return total
