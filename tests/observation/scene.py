"""A gateway and workers to which every event has happened that their metrics count."""

import time

import httpx
import msgspec

from contracts.observation.exporter import DEFAULT_LIMITS
from contracts.wire import HEADER_DEADLINE
from tests.observation.scraping import Scrape
from tests.producer import lasting_event, publish, scale_event
from tests.stack import BOUND_S, Gateway, Process, Stack, eventually

NAMES = ("default", "hello", "absent", "elsewhere", "nothing", "slow", "late", "doomed")
"""The scopes, names and unknown providers of the events."""

UPDATE = "update_controller_replicas"
VARIABLES = {"PLT_METRICS_PORT": "0"}
QUERY_DEADLINE_S = 2.0


class Scene:
    """The processes, and the events."""

    def __init__(self, stack: Stack, management: httpx.Client) -> None:
        self._stack = stack
        self._management = management
        self.seen: dict[str, dict[str, set[str]]] = {}
        """The labels of every metric in any scrape, with their values."""
        self.workers: list[Process] = [stack.worker(**VARIABLES)]
        self.gateway: Gateway = stack.gateway(
            **VARIABLES, PLT_DEADLINE_MS=f"queries={QUERY_DEADLINE_S * 1000:.0f},commands=30000"
        )
        eventually(lambda: self.gateway.attended_by(1), what="the worker is attached")

    def scrape(self) -> Scrape:
        """Scrape all processes that run."""
        scrape = Scrape.of(*(each.metrics_url for each in (self.gateway, *self.workers)))
        for name, labels, _ in scrape.samples:
            seen = self.seen.setdefault(name, {})
            for label, value in labels.items():
                seen.setdefault(label, set()).add(value)
        return scrape

    def until(self, name: str, at_least: float = 1, **labels: str) -> Scrape:
        """Scrape until a metric has a value."""
        scrape = self.scrape()
        until = time.monotonic() + BOUND_S
        while scrape.value(name, **labels) < at_least:
            assert time.monotonic() < until, f"{name} {labels} is not {at_least}"
            time.sleep(DEFAULT_LIMITS.fresh_s)  # earlier scrapes return the same text
            scrape = self.scrape()
        return scrape

    def answer(self) -> None:
        """A query and a command that succeed, and requests that fail."""
        assert self.gateway.get("/k8s/machines/default").status_code == 200
        assert self.gateway.scale("hello", 2).status_code == 200
        assert self.gateway.get("/k8s/machines/default/absent").status_code == 404
        assert self.gateway.get("/k8s/nothing").status_code == 404
        assert self.gateway.get("/elsewhere/machines/default").status_code == 404

    def retry(self) -> None:
        """A query that the platform throttles once."""
        self._stack.sandbox.faults.overload("/pods/slow")
        self.gateway.get("/k8s/machines/default/slow")

    def miss_the_deadline(self) -> None:
        """A query that the platform answers after its deadline."""
        self._stack.sandbox.faults.add(method="GET", path="/pods/late", delay=QUERY_DEADLINE_S + 1)
        assert self.gateway.get("/k8s/machines/default/late").status_code == 504

    def miss_the_deadline_in_the_queue(self) -> None:
        """Two events for one address: the second one waits past its deadline for the first one."""
        self._stack.sandbox.faults.add(method="PATCH", path="/slow-app", delay=3.0)
        first, second = lasting_event("slow-app", 1), lasting_event("slow-app", 2)
        soon = second.headers | {HEADER_DEADLINE: int((time.time() + 1.0) * 1000)}
        second = msgspec.structs.replace(second, headers=soon)
        assert publish(self._stack.amqp_url, [first, second]) == 0

    def dead_letter(self) -> None:
        """An event that no worker can run."""
        event = msgspec.structs.replace(scale_event("hello", 3), body=b"{}")
        assert publish(self._stack.amqp_url, [event]) == 0

    def reconnect(self) -> None:
        """Connections that an operator closes."""
        vhost = self._stack.amqp_url.rpartition("/")[2]
        eventually(lambda: len(self._connections(vhost)) >= 4, what="the connections are listed")
        for each in self._connections(vhost):
            self._management.delete(f"/connections/{each['name']}")

    def hand_over(self) -> None:
        """A second worker, to which the first one releases half of its partitions."""
        self.until("machinist_worker_partition_owned", 8)
        self.workers.append(self._stack.worker(**VARIABLES))
        self.until("machinist_worker_partition_handovers_total", 4)

    def redeliver(self) -> None:
        """A worker that dies while it runs a command, which the other worker runs again."""
        self._stack.sandbox.faults.add(method="PATCH", path="/doomed", delay=30.0)
        assert publish(self._stack.amqp_url, [scale_event("doomed", 1)]) == 0
        self.until("machinist_worker_operations_in_flight", operation=UPDATE)
        running = [each for each in self.workers if _in_flight(each)]
        self.workers = [each for each in self.workers if each not in running]
        for each in running:
            each.kill()
        self.until("machinist_worker_redeliveries_total")

    def run(self) -> None:
        """Let everything happen; scrape before the processes lose what they have counted."""
        self.answer()
        self.retry()
        self.miss_the_deadline()
        self.miss_the_deadline_in_the_queue()
        self.dead_letter()
        self.until("machinist_worker_deadlines_missed_total", stage="queue")
        self.until("machinist_dead_letters_total")
        self.reconnect()
        self.hand_over()
        self.redeliver()

    def _connections(self, vhost: str) -> list[dict[str, str]]:
        connections: list[dict[str, str]] = self._management.get(
            f"/vhosts/{vhost}/connections"
        ).json()
        return connections


def _in_flight(worker: Process) -> bool:
    return Scrape.of(worker.metrics_url).value("machinist_worker_operations_in_flight") > 0
