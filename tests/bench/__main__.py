"""`python -m tests.bench`: load on its own broker, gateway and workers, measured.

Every kind of load is measured in several short rounds, in turns, so that other activity on the
machine affects all kinds equally. The figures are medians over the rounds.
"""

import argparse
import os
import platform as machine
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from deploy import signals
from deploy.failed import Failed
from tests.bench import report
from tests.bench.added import Comparison, ComparisonJob
from tests.bench.measure import Job, Measurement
from tests.bench.platform import (
    DIRECT_COMMAND,
    DIRECT_QUERY,
    KUBERNETES,
    MACHINES,
    MEMORY,
    commands,
    queries,
)
from tests.bench.report import Report
from tests.bench.stage import Stage, run

ROUNDS = 3
MOST_SECONDS = 60
MOST_AT_ONCE = 256

FLOOR = "floor: echo, bare aiormq"
LOADS = {
    "query, platform in memory": (MEMORY, queries(MEMORY, MACHINES)),
    "command, platform in memory": (MEMORY, commands(MEMORY)),
    "query, Kubernetes sandbox": (KUBERNETES, queries(KUBERNETES, MACHINES[:1])),
    "command, Kubernetes sandbox": (KUBERNETES, commands(KUBERNETES)),
}
COMPARED = {
    "query": (queries(KUBERNETES, MACHINES[:1])[0], DIRECT_QUERY),
    "command": (commands(KUBERNETES)[0], DIRECT_COMMAND),
}


def main() -> None:
    asked = _options()
    signals.listen()
    try:
        with ExitStack() as contexts:
            folder = Path(contexts.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            stage = Stage(folder, asked.workers, contexts)
            found = measure(stage, asked.seconds / ROUNDS, asked.concurrency, asked.workers)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except signals.Stopped as stopped:
        sys.exit(128 + stopped.number)
    print(msgspec.json.encode(found).decode() if asked.json else report.table(found))
    sys.exit(1 if found.failures else 0)


def measure(stage: Stage, seconds: float, at_once: int, workers: int) -> Report:
    """Measure every kind of load in turns, in `ROUNDS` rounds."""
    loads = [(kind, count) for kind in (*LOADS, FLOOR) for count in (1, at_once)]
    measured: dict[tuple[str, int], list[Measurement]] = {load: [] for load in loads}
    compared: dict[str, list[Comparison]] = {kind: [] for kind in COMPARED}
    for _ in range(ROUNDS):
        for kind, count in loads:
            measured[kind, count].append(_load(stage, kind, count, seconds))
        for kind in COMPARED:
            compared[kind].append(_compare(stage, kind, seconds))
    cores = os.cpu_count() or 1
    return Report(
        _measured_on(stage, cores, workers),
        [report.line(kind, count, rounds, cores) for (kind, count), rounds in measured.items()],
        [report.added(kind, rounds) for kind, rounds in compared.items()],
    )


def _load(stage: Stage, kind: str, at_once: int, seconds: float) -> Measurement:
    if kind == FLOOR:
        job = Job(stage.node.amqp_url, seconds, at_once, stage.floor(), own="asks")
        return run("echo", job, Measurement)
    provider, requests = LOADS[kind]
    job = Job(stage.gateway, seconds, at_once, stage.through(provider), requests)
    return run("load", job, Measurement)


def _compare(stage: Stage, kind: str, seconds: float) -> Comparison:
    through, direct = COMPARED[kind]
    sandbox = stage.sandbox
    job = ComparisonJob(
        stage.gateway, through, sandbox.url, str(sandbox.ca_path), sandbox.token, direct, seconds
    )
    return run("added", job, Comparison)


def _measured_on(stage: Stage, cores: int, workers: int) -> dict[str, str]:
    return {
        "Python": machine.python_version(),
        "RabbitMQ": f"{stage.node.ctl('version').strip()}, one node with the management plugin",
        "machine": f"{cores} cores, {machine.machine()}, {machine.system()} {machine.release()}",
        "processes": f"1 gateway, {workers} worker(s) per platform, all on this machine",
        "rounds": f"{ROUNDS}, figures are medians",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=3.0,
        help=f"seconds for each kind of load, in {ROUNDS} rounds",
    )
    parser.add_argument("--concurrency", type=_count, default=64, help="concurrent requests")
    parser.add_argument(
        "--workers", type=_count, default=1, help="worker processes for each platform"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _seconds(text: str) -> float:
    if not 0 < (seconds := float(text)) <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_SECONDS} seconds")
    return seconds


def _count(text: str) -> int:
    if not 1 <= (count := int(text)) <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_AT_ONCE}")
    return count


if __name__ == "__main__":
    main()
