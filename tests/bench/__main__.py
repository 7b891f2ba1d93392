"""`python -m tests.bench`: machinist beside the usual way and the API server itself, measured.

The bench starts a broker, a gateway, workers, a service without broker and informers, and the
Kubernetes sandbox. With --kubeconfig the platform is your cluster: the bench makes two namespaces
there, uses nothing else, and deletes them at the end, also after Ctrl-C.

Every kind of load is measured in several short rounds, in turns, so that other activity on the
machine affects all kinds equally. The figures are medians over the rounds.
"""

import argparse
import datetime
import os
import platform as machine
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from contracts import VERSION
from deploy import signals
from deploy.failed import Failed
from deploy.kubeconfig.api import Api
from tests.bench.results import plot, report, table
from tests.bench.results.report import Report
from tests.bench.rounds import ROUNDS, measure
from tests.bench.rows import rows
from tests.bench.subjects.cluster import populated
from tests.bench.subjects.stage import Stage, of_kubeconfig, sandbox

MOST_SECONDS = 60
MOST_WORKERS = 16


def main() -> None:
    asked = _options()
    signals.listen()
    try:
        with ExitStack() as contexts:
            folder = Path(contexts.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            found = _run(asked, folder, contexts)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except signals.Stopped as stopped:
        sys.exit(128 + stopped.number)
    print(table.text(found))
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    if asked.plot:
        asked.plot.write_text(plot.svg(found))
    sys.exit(1 if report.failures(found) else 0)


def _run(asked: argparse.Namespace, folder: Path, contexts: ExitStack) -> Report:
    cluster = (
        of_kubeconfig(asked.kubeconfig, asked.context, folder)
        if asked.kubeconfig
        else contexts.enter_context(sandbox())
    )
    api = contexts.enter_context(Api(cluster.administrator))
    version = (api.get("/version") or {}).get("gitVersion", "unknown")
    population = contexts.enter_context(populated(api, _say))
    stage = Stage(folder, cluster, asked.workers, contexts)
    compared, lines = measure(stage, rows(population), asked.seconds / ROUNDS)
    cores = os.cpu_count() or 1
    measured_on = {
        "machinist": f"{VERSION}, Python {machine.python_version()}",
        "broker": f"RabbitMQ {stage.node.ctl('version').strip()}, one node",
        "API server": f"{version}, {cluster.what}",
        "machine": f"{cores} cores, {machine.machine()}, {machine.system()}",
        "processes": f"1 gateway, {asked.workers} worker(s) per platform, all on this machine",
        "others": f"used {report.others_busy(compared, lines):.0%} of the cores meanwhile",
        "rounds": f"{ROUNDS}, figures are medians",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    return Report(measured_on, cluster.is_sandbox, compared, lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=3.0,
        help=f"seconds for each kind of load, in {ROUNDS} rounds (default: 3)",
    )
    parser.add_argument(
        "--workers", type=_workers, default=1, help="worker processes for each platform"
    )
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="measure the cluster of this kubeconfig"
    )
    parser.add_argument("--context", help="a context of the kubeconfig (default: the current one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the ratios as SVG")
    return parser.parse_args()


def _seconds(text: str) -> float:
    if not 0 < (seconds := float(text)) <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_SECONDS} seconds")
    return seconds


def _workers(text: str) -> int:
    if not 1 <= (count := int(text)) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_WORKERS}")
    return count


def _say(message: str) -> None:
    print(f"  {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
