"""The report as text for a terminal."""

from collections.abc import Iterator

from tests.bench.results.report import Line, Report, all_lines
from tests.bench.rounds import AT_ONCE, QUERY
from tests.bench.rows import DIRECT, MACHINIST, RAW

BUSY = 0.8
GATEWAY_GOAL_US = 280
"""The goal for the CPU of a gateway per query, with the most requests at once."""

WAYS = """\
raw: the API server itself, sent the requests from which the answer is derived, one after another.
direct: a service without broker, informers and audit, which asks the API server for each request.
machinist: a gateway, the broker and the workers; scalings are durable and audited.
"""
SANDBOX = """\
The API server is the sandbox, a stand-in in Python. It carries fewer requests and writes per second
than a real API server, which flatters machinist; its lists are not slower, because it encodes an
object once. --kubeconfig measures against a real API server.
"""
PARTS = """\
asks: the gateway, or the echo client; answers: the workers, or the echo server.
load busy: share of one core used by the load generator. Shares of the whole machine:
others busy, used by other processes; stolen, given to other machines by the hypervisor."""


def text(report: Report) -> str:
    """Format the report."""
    parts = [
        *_ratios(report),
        "",
        *_costs(report),
        "",
        *_loads(report),
        "",
        *_goals(report),
        "",
        *(f"{name}: {value}" for name, value in report.measured_on.items()),
        "",
        WAYS + (SANDBOX if report.is_sandbox else "") + PARTS,
        *_notes(report),
    ]
    return "\n".join(parts)


def _ratios(report: Report) -> Iterator[str]:
    yield (
        f"{'':28}{'at':>4}{'':>6}{RAW:>10}{DIRECT:>10}{MACHINIST:>11}"
        f"{'/ ' + DIRECT:>11}{'/ ' + RAW:>9}"
    )
    for each in report.compared:
        figures = [_figure(each.figure(way)) for way in (RAW, DIRECT, MACHINIST)]
        yield (
            f"{each.what:28}{each.at_once:4}{'/s' if each.is_rate else 'ms':>6}"
            f"{figures[0]:>10}{figures[1]:>10}{figures[2]:>11}"
            f"{each.multiples[DIRECT]:10.2f}x{each.multiples[RAW]:8.2f}x"
        )


def _costs(report: Report) -> Iterator[str]:
    yield (
        f"{'':28}{'at':>4}   {'CPU us per request':38}{'API server calls':>18}"
        f"   messages per request"
    )
    yield (
        f"{'':28}{'once':>4}{'gateway':>9}{'worker':>9}{'broker':>9}{'direct':>9}"
        f"{'direct':>11}{'machinist':>11}{'sent':>8}{'delivered':>11}{'acked':>7}"
    )
    for each in report.compared:
        own, direct = each.ways[MACHINIST].cpu_us, each.ways[DIRECT].cpu_us
        cpu = "".join(f"{own[part]:9.0f}" for part in ("asks", "answers", "broker"))
        calls = f"{each.counts[DIRECT].calls:11.1f}{each.counts[MACHINIST].calls:11.1f}"
        sent = each.counts[MACHINIST].messages
        messages = (
            f"{sent.received:8.1f}{sent.delivered:11.1f}{sent.acknowledged:7.1f}" if sent else ""
        )
        yield f"{each.what:28}{each.at_once:4}{cpu}{direct['direct']:9.0f}{calls}{messages}"


def _loads(report: Report) -> Iterator[str]:
    yield (
        f"{'':28}{'at':>4}{'round':>9}{'p50':>8}{'p99':>8}   CPU us per round trip"
        f"{'':5}{'load':>6}{'others':>8}{'stolen':>8}"
    )
    yield (
        f"{'':28}{'once':>4}{'trips/s':>9}{'ms':>8}{'ms':>8}"
        f"{'asks':>9}{'answers':>9}{'broker':>9}{'busy':>6}{'busy':>8}"
    )
    yield from map(_load, report.lines)


def _load(line: Line) -> str:
    cpu = "".join(
        f"{line.cpu_us[name]:9.0f}" if name in line.cpu_us else f"{'-':>9}"
        for name in ("asks", "answers", "broker")
    )
    busy = "-" if line.load_busy is None else f"{line.load_busy:.0%}"
    return (
        f"{line.what:28}{line.at_once:4}{line.round_trips_per_s:9.0f}{line.p50_ms:8.2f}"
        f"{line.p99_ms:8.2f}{cpu}{busy:>6}{line.others_busy:8.0%}{line.stolen:8.0%}"
    )


def _goals(report: Report) -> Iterator[str]:
    for each in report.compared:
        sign = ">=" if each.is_rate else "<="
        for verdict in each.verdicts:
            goal = verdict.goal
            yield (
                f"{each.what}, {each.at_once} at once: goal {sign} {goal.factor:g}x {goal.way}: "
                f"{verdict.measured:.2f}x, {_reached(is_reached=verdict.is_reached)}"
            )
    for line in report.lines:
        if (line.what, line.at_once) == (QUERY, AT_ONCE[-1]):
            used = line.cpu_us["asks"]
            yield (
                f"{line.what}, {line.at_once} at once: goal <= {GATEWAY_GOAL_US} us of the "
                f"gateway: {used:.0f} us, {_reached(is_reached=used <= GATEWAY_GOAL_US)}"
            )


def _notes(report: Report) -> Iterator[str]:
    for line in all_lines(report.compared, report.lines):
        if line.load_busy is not None and line.load_busy > BUSY:
            yield f"{line.what}, {line.at_once} at once: the load generator was the bottleneck."
        if line.failures:
            yield f"{line.what}, {line.at_once} at once: FAILURES {line.failures}"


def _reached(*, is_reached: bool) -> str:
    return "reached" if is_reached else "NOT reached"


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
