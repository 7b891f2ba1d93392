"""Disturbances: workers are killed and frozen, connections closed, and the broker restarted."""

import random
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import quote

import httpx

from tests.history.history import KILL, RESTART, Disturbance
from tests.history.script import Kind, Planned
from tests.stack import Process, Stack

WORKER = re.compile(r"^machinist worker \S+ \S+-(\d+)-\w+ ")
NO_WORKER = 0


class DisturbanceRunner:
    """Applies disturbances to a stack and records them."""

    def __init__(self, stack: Stack, workers: list[Process]) -> None:
        self.stack = stack
        self.workers = workers
        self.disturbances: list[Disturbance] = []

    @property
    def all_workers(self) -> list[int]:
        """The ids of all workers, and `NO_WORKER`."""
        return [*(worker.pid for worker in self.workers), NO_WORKER]

    def run(self, planned: Iterable[Planned]) -> None:
        """Apply one disturbance after another."""
        for each in planned:
            time.sleep(each.after_s)
            APPLY[each.kind](self, each)

    def record(self, what: str, hits: Iterable[int], began: float) -> None:
        """Record a disturbance that ends now."""
        self.disturbances.append(
            Disturbance(what=what, hits=frozenset(hits), began=began, ended=time.time())
        )


def kill(runner: DisturbanceRunner, planned: Planned) -> None:
    """Kill a worker and start another one."""
    worker = runner.workers.pop(planned.target % len(runner.workers))
    began = time.time()
    worker.kill()
    runner.record(KILL, [worker.pid], began)
    runner.workers.append(runner.stack.worker())


def freeze(runner: DisturbanceRunner, planned: Planned) -> None:
    """Stop a worker for a while with SIGSTOP."""
    worker = runner.workers[planned.target % len(runner.workers)]
    began = time.time()
    worker.freeze()
    time.sleep(planned.for_s)
    worker.thaw()
    runner.record("freeze", [worker.pid], began)


def cut(runner: DisturbanceRunner, planned: Planned) -> None:
    """Close a third of all connections over the management API, as an operator may."""
    began = time.time()
    with httpx.Client(
        base_url=f"{runner.stack.node.management_url}/api",
        auth=(runner.stack.node.user, runner.stack.node.password),
        timeout=30,
        trust_env=False,
    ) as management:
        vhost = quote(runner.stack.amqp_url.rpartition("/")[2], safe="")
        open_now = management.get(f"/vhosts/{vhost}/connections").raise_for_status().json()
        names = {each["name"]: _label(each) for each in open_now}
        chosen = random.Random(planned.target).sample(sorted(names), k=-(-len(names) // 3))
        for name in chosen:
            # The status is ignored: a connection may already be closed.
            management.delete(f"/connections/{quote(name, safe='')}")
    found = [WORKER.match(names[name]) for name in chosen]
    runner.record("cut", [int(match[1]) if match else NO_WORKER for match in found], began)


def restart(runner: DisturbanceRunner, planned: Planned) -> None:
    """Restart the broker with an orderly shutdown."""
    began = time.time()
    runner.stack.node.restart()
    runner.record(RESTART, runner.all_workers, began)


def _label(connection: dict[str, object]) -> str:
    properties = connection.get("client_properties")
    return str(properties.get("connection_name", "")) if isinstance(properties, dict) else ""


APPLY: dict[Kind, Callable[[DisturbanceRunner, Planned], None]] = {
    KILL: kill,
    "freeze": freeze,
    "cut": cut,
    RESTART: restart,
}
