"""The benchmark reports positive figures and leaves no process behind."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.bench.measure import percentile
from tests.bench.report import Report, table

CHECKOUT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 150


def test_a_percentile_is_a_measured_time() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0


@pytest.mark.full
def test_every_figure_is_positive_and_no_process_remains(tmp_path: Path) -> None:
    short = ["--seconds", "0.9", "--concurrency", "8", "--json"]

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *short],
        cwd=CHECKOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    report = msgspec.json.decode(done.stdout, type=Report)
    for line in report.lines:
        assert min(line.round_trips_per_s, line.p50_ms, line.p99_ms) > 0, line
        assert min(line.cpu_us.values()) >= 0, line
        assert min(line.cpu_us[group] for group in ("asks", "answers", "broker")) > 0, line
    assert all(min(each.through_p50_ms, each.direct_p50_ms) > 0 for each in report.added)
    assert all(line.what in table(report) for line in report.lines)
    assert _mentioning(str(tmp_path)) == []


@pytest.mark.full
def test_the_cost_of_metrics_is_measured_for_both_processes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.metrics", "--seconds", "10"],
        cwd=CHECKOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    kinds = ("query", "command", "scrape")
    assert lines == [[kind, part] for kind in kinds for part in ("gateway", "worker")]
    assert _mentioning(str(tmp_path)) == []


def _mentioning(text: str) -> list[str]:
    """Return the processes with a text in their command line or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in seen:
            found.append(seen.partition(b"\0")[0].decode())
    return found
