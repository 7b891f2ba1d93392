"""The benchmark reports positive figures and leaves no process behind."""

import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.bench.loads.measure import percentile
from tests.bench.results.report import Report, all_lines
from tests.deploy import kubeconfigs
from tests.stack import eventually

CHECKOUT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 150
BENCH_WITHIN_S = 1200


def test_a_percentile_is_a_measured_time() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0


@pytest.mark.full
@pytest.mark.timeout(BENCH_WITHIN_S + 60)
def test_every_figure_is_positive_and_nothing_remains(
    sandbox: KubernetesSandbox, tmp_path: Path
) -> None:
    found, plotted = tmp_path / "bench.json", tmp_path / "bench.svg"
    files = [f"--kubeconfig={kubeconfigs.for_sandbox(sandbox, tmp_path)}"]
    files += [f"--json={found}", f"--plot={plotted}"]
    namespaces = sandbox.read_all("namespaces", "")

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--seconds", "0.9", *files],
        cwd=CHECKOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=BENCH_WITHIN_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    report = msgspec.json.decode(found.read_bytes(), type=Report)
    for line in all_lines(report.compared, report.lines):
        assert min(line.round_trips_per_s, line.p50_ms, line.p99_ms) > 0, line
        assert min(line.cpu_us.values()) >= 0, line
    for each in report.compared:
        cpu = each.ways["machinist"].cpu_us
        assert min(cpu["asks"], cpu["answers"], cpu["broker"]) > 0, each
        assert min(each.multiples.values()) > 0, each
        assert each.what in done.stdout.decode(), each
        assert each.what in plotted.read_text(), each
    assert ElementTree.parse(plotted).getroot().tag.endswith("svg")
    assert sandbox.read_all("namespaces", "") == namespaces
    assert _mentioning(str(tmp_path)) == []


@pytest.mark.full
def test_ctrl_c_deletes_the_namespaces(sandbox: KubernetesSandbox, tmp_path: Path) -> None:
    namespaces = sandbox.read_all("namespaces", "")
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.bench"),
            *("--kubeconfig", kubeconfigs.for_sandbox(sandbox, tmp_path)),
        ],
        cwd=CHECKOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    ) as bench:
        eventually(lambda: len(sandbox.read_all("namespaces", "")) == len(namespaces) + 2)
        bench.send_signal(signal.SIGINT)
        status = bench.wait(WITHIN_S)

    assert status == 128 + signal.SIGINT
    assert sandbox.read_all("namespaces", "") == namespaces
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
