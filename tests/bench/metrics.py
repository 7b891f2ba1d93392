"""`python -m tests.bench.metrics`: the CPU time that metrics and logs cost per request.

A gateway and a worker are under constant load. Their metrics and logs (the default: JSON at level
info) are switched on and off several times per second, so that other activity on the machine
affects both sides equally. A scrape is measured apart.
"""

import argparse
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from deploy import signals
from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port
from deploy.process import ChildProcess
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.waiting import wait_until
from tests.bench.loads import usage
from tests.bench.loads.measure import Job
from tests.bench.requests import (
    CONTROLLERS,
    KUBERNETES,
    MACHINES,
    MEMORY,
    commands,
    queries,
)
from tests.bench.subjects.stage import CHECKOUT, READY_S, inherited, metrics_url

SWITCH = {True: signal.SIGUSR1, False: signal.SIGUSR2}
PLATFORMS = {MEMORY: MACHINES, KUBERNETES: MACHINES[:1]}
"""The machines of each platform: in memory, or the sandbox of Kubernetes."""
PARTS = ("gateway", "worker")
WINDOW_S = 0.2
SETTLE_S = 0.03
"""The time after a switch in which requests of both sides are under way."""

FEWEST = 10
"""A pair of windows counts if each has this many requests."""

BLOCKS = 10

MICRO, MILLI = 1e6, 1e3

Reading = dict[str, tuple[float, int]]
"""CPU seconds and requests of each process, so far or in a window."""

Pair = dict[bool, tuple[float, int]]
"""The CPU seconds and requests of a process in two windows, with metrics and logs off and on."""


class Processes:
    """The gateway and the worker, and the sandbox in this process."""

    def __init__(self, folder: Path, contexts: ExitStack, platform: str) -> None:
        self._platform = platform
        worker = {"PLT_PROVIDER": platform}
        if platform == KUBERNETES:
            worker |= _sandbox(contexts)
        node = contexts.enter_context(RabbitNode(folder / "rabbitmq"))
        port = Port.any_free()
        contexts.callback(port.release)
        self.address = f"{LOOPBACK}:{port.number}"
        self._counts = {part: folder / f"{part}.count" for part in PARTS}
        own = {
            "gateway": {"PLT_PORT": str(port.number), "PLT_PROVIDERS": platform},
            "worker": worker,
        }
        shared = {"PLT_AMQP_URL": node.amqp_url, "PLT_METRICS_PORT": "0"}
        self._children = {}
        for part in PARTS:
            self._counts[part].write_bytes(bytes(8))
            child = ChildProcess(
                part,
                [sys.executable, "-m", "tests.bench.switched", part, self._counts[part]],
                log=folder / f"{part}.log",
                env=inherited() | shared | own[part],
                cwd=CHECKOUT,
            )
            self._children[part] = contexts.enter_context(child)
        wait_until(self._is_attended, READY_S, "the worker is attached")

    def switch(self, *, on: bool) -> None:
        """Switch the metrics and logs of both processes."""
        for child in self._children.values():
            os.kill(child.pid, SWITCH[on])

    def read(self) -> Reading:
        """Return the CPU seconds and the requests of each process."""
        used = usage.now({part: [child.pid] for part, child in self._children.items()}).groups
        counts = {part: self._counts[part].read_bytes() for part in PARTS}
        return {part: (used[part], int.from_bytes(counts[part], sys.byteorder)) for part in PARTS}

    def scrape(self, part: str) -> float:
        """Return the CPU seconds of one scrape of a process."""
        url = metrics_url(self._children[part])
        before = self.read()[part][0]
        httpx.get(url, trust_env=False).raise_for_status()
        return self.read()[part][0] - before

    def _is_attended(self) -> bool:
        for child in self._children.values():
            if not child.alive:
                raise Failed(f"{child.name} ended:\n{child.last_lines()}")
        try:
            state: Any = httpx.get(f"http://{self.address}/ready", trust_env=False).json()
        except httpx.TransportError:
            return False
        consumers: int = state.get("providers", {}).get(self._platform, {}).get("consumers", 0)
        return consumers > 0


class Cost(Struct):
    """CPU seconds per request, off and on; the added share and its standard error."""

    off: float
    on: float
    error: float

    def __str__(self) -> str:
        added = self.on / self.off - 1
        off, on = self.off * MICRO, self.on * MICRO
        return f"{off:6.0f} µs off, {on:6.0f} µs on: {added:+.1%} ± {self.error:.1%}"


def _sandbox(contexts: ExitStack) -> dict[str, str]:
    """Start the sandbox with the objects of the requests; return a worker's variables for it."""
    sandbox = contexts.enter_context(KubernetesSandbox.in_thread())
    for machine in PLATFORMS[KUBERNETES]:
        sandbox.add_pod(machine)
    for name in CONTROLLERS:
        sandbox.add_deployment(name, replicas=1)
    return sandbox.environment


def measure(
    processes: Processes, requests: list[list[str]], asked: argparse.Namespace
) -> dict[str, Cost]:
    """Switch metrics and logs under load; either side is first in every second pair of windows."""
    job = Job(processes.address, asked.seconds + READY_S, asked.concurrency, {}, requests)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.loads.http"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=CHECKOUT,
    ) as load:
        try:
            assert load.stdin is not None
            load.stdin.write(msgspec.json.encode(job))
            load.stdin.close()
            began = processes.read()
            wait_until(
                lambda: processes.read()["worker"][1] > began["worker"][1] + FEWEST,
                READY_S,
                "requests are answered",
            )
            pairs: list[dict[bool, Reading]] = []
            until = time.monotonic() + asked.seconds
            while time.monotonic() < until:
                order = (True, False) if len(pairs) % 2 else (False, True)
                pairs.append({on: _window(processes, on=on) for on in order})
        finally:
            load.kill()
    return {part: _cost([{on: each[on][part] for on in each} for each in pairs]) for part in PARTS}


def _window(processes: Processes, *, on: bool) -> Reading:
    """Return the CPU seconds and requests of each process in one window."""
    processes.switch(on=on)
    time.sleep(SETTLE_S)
    before = processes.read()
    time.sleep(WINDOW_S)
    after = processes.read()
    return {
        part: (after[part][0] - before[part][0], after[part][1] - before[part][1]) for part in PARTS
    }


def _cost(pairs: list[Pair]) -> Cost:
    """Compare the totals; the standard error is that of the totals of some blocks of pairs."""
    full = [pair for pair in pairs if min(count for _, count in pair.values()) >= FEWEST]
    if len(full) < BLOCKS:
        raise Failed(f"{len(full)} of {len(pairs)} pairs have enough requests: load for longer")
    blocks = [full[number::BLOCKS] for number in range(BLOCKS)]
    added = [_per_request(each, on=True) / _per_request(each, on=False) for each in blocks]
    error = statistics.stdev(added) / math.sqrt(BLOCKS)
    return Cost(_per_request(full, on=False), _per_request(full, on=True), error)


def _per_request(pairs: list[Pair], *, on: bool) -> float:
    return sum(pair[on][0] for pair in pairs) / sum(pair[on][1] for pair in pairs)


def main() -> None:
    asked = _options()
    signals.listen()
    try:
        with ExitStack() as contexts:
            folder = Path(contexts.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            processes = Processes(folder, contexts, asked.platform)
            loads = {
                "query": queries(asked.platform, PLATFORMS[asked.platform]),
                "command": commands(asked.platform),
            }
            for kind, requests in loads.items():
                for part, cost in measure(processes, requests, asked).items():
                    print(f"{kind:<8} {part:<8} {cost}", flush=True)
            for part in PARTS:
                print(f"scrape   {part:<8} {processes.scrape(part) * MILLI:6.1f} ms")
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except signals.Stopped as stopped:
        sys.exit(128 + stopped.number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.metrics", description=__doc__)
    parser.add_argument("--platform", choices=PLATFORMS, default=MEMORY, help="default: memory")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds per kind of load")
    parser.add_argument("--concurrency", type=int, default=16, help="concurrent requests")
    return parser.parse_args()


if __name__ == "__main__":
    main()
