"""The promises hold while nodes of a cluster are killed, stopped or frozen under load."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from deploy.rabbitmq.cluster import NODES, RabbitCluster
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.cluster import table
from tests.cluster.fleet import READY_S, Fleet
from tests.cluster.load import Load, RequestResult
from tests.cluster.measures import broken_promises, outage
from tests.cluster.placement import Placement
from tests.history.audit_reader import AuditReader
from tests.history.disturbances import NO_WORKER
from tests.history.history import ACCEPTED, Command, Disturbance, History, Write
from tests.history.test_history import writes
from tests.stack import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(700)]

GATEWAYS = 2
WORKERS = 3
CONNECTIONS = 2 * (GATEWAYS + WORKERS) + 1
"""Two for each gateway and worker, and one for the event producers."""

STEADY_S = 4.0
CALM_S = 3.0
"""Delay of the additional processes, so that their start does not prolong the outage."""

PLATFORM_S = 0.02
SETTLE_S = 300.0
"""RabbitMQ 3.10 and 4.0 republish an unconfirmed dead letter after 180 s
(`dead_letter_worker_publisher_confirm_timeout` of the application rabbit). The outcome of a command
that expired while its node was frozen is as late.
"""

MOST_S = 3.0
SHOWN = 12


class Loss(Struct, frozen=True):
    """A kind of loss and its nodes, and the nodes of connections and leaders before the loss.

    Nodes are numbers from 0. `most_s` is the limit of the outage.
    """

    name: str
    how: str
    nodes: tuple[int, ...]
    connections: int
    leaders: int
    down_s: float = 8.0
    most_s: float = MOST_S


LOSSES = (
    Loss("kill -9, the node with all connections", "kill", (0,), connections=0, leaders=1),
    Loss("kill -9, the node with all leaders", "kill", (1,), connections=0, leaders=1),
    Loss("kill -9, a node with followers only", "kill", (2,), connections=0, leaders=1),
    Loss("stop, the node with all connections", "stop", (0,), connections=0, leaders=2),
    Loss("stop, the node with all leaders", "stop", (1,), connections=2, leaders=1),
    Loss("stop, a node with followers only", "stop", (2,), connections=1, leaders=0),
    Loss(
        "kill -9, two of three, with all connections and leaders",
        "kill",
        (0, 1),
        connections=0,
        leaders=1,
        most_s=float("inf"),
    ),
    Loss(
        "frozen for 45 s, the node with all connections and leaders",
        "freeze",
        (1,),
        connections=1,
        leaders=1,
        down_s=45.0,
        most_s=float("inf"),
    ),
)


@pytest.fixture(scope="module")
def placement(cluster: RabbitCluster) -> Placement:
    """The virtual host of all losses."""
    return Placement(cluster, "node-loss").create()


@pytest.fixture(scope="module")
def broker(placement: Placement, khepri: bool) -> str:
    """The name of the broker in the table."""
    return f"{placement.version()} with Khepri" if khepri else placement.version()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_loss_of_a_node_fails_requests_for_seconds_and_breaks_no_promise(
    placement: Placement, sandbox: KubernetesSandbox, broker: str, loss: Loss, tmp_path: Path
) -> None:
    placement.lead(loss.leaders)
    with ExitStack() as stack:
        stack.callback(restore, placement, loss)
        placement.admit_only(loss.connections)
        fleet = stack.enter_context(Fleet(placement.amqp_url, sandbox, tmp_path))
        fleet.start(GATEWAYS, WORKERS)
        urls = [str(gateway.http.base_url) for gateway in fleet.gateways]
        prefix = f"loss-{LOSSES.index(loss)}"
        load = Load(prefix, urls, placement.amqp_url, falls_silent=loss.how == "freeze")
        for name in [*load.scaled, *load.published]:
            # Paused, because the sandbox would otherwise start a pod for each replica.
            sandbox.add_deployment(name, replicas=0, spec={"paused": True})
            sandbox.faults.add(method="PATCH", path=f"/{name}$", delay=PLATFORM_S, times=None)
        sandbox.calls.clear()
        scenario = Scenario(placement, fleet, loss)
        asyncio.run(under(load, scenario))
        # A reader that starts after the loss is independent of deliveries during the loss.
        audit = stack.enter_context(AuditReader(placement.amqp_url))
        with suppress(AssertionError):  # the measures report missing outcomes
            eventually(lambda: has_settled(load.commands, audit), SETTLE_S)

    measured = outage(load.asked)
    history = history_of(load.commands, audit, writes(sandbox), scenario.disturbance)
    found = broken_promises(history)
    events = Counter(each.fate.value for each in load.commands if each.address in load.published)
    results = table.cells(measured, events, found, scenario.started_s)
    print(f"\n{broker}: {loss.name}: {dict(zip(table.COLUMNS[2:], results, strict=True))}")
    print("\n".join(notable(load.asked, scenario.disturbance.began)))
    renew_table(broker, loss, results)
    assert not found.lines(), "\n".join(found.lines()[:SHOWN])
    assert measured.statuses.keys() <= {200, 503, 504}
    assert measured.seconds <= loss.most_s


class Scenario:
    """The loss and recovery of the nodes during the load."""

    def __init__(self, placement: Placement, fleet: Fleet, loss: Loss) -> None:
        self._placement = placement
        self._cluster = placement.cluster
        self._fleet = fleet
        self._loss = loss
        self.started_s = 0.0
        self.disturbance: Disturbance

    def run(self) -> None:
        """Take the nodes down, start a gateway and a worker, and bring the nodes back."""
        loss = self._loss
        self._placement.expect_connections(loss.connections, CONNECTIONS)
        self._placement.admit_everywhere()
        time.sleep(STEADY_S)
        began = time.time()
        for node in loss.nodes:
            LOSE[loss.how](self._cluster, node)
        with ThreadPoolExecutor() as pool:
            starting = pool.submit(self._start_others)
            time.sleep(loss.down_s)
            bring_back(self._cluster, loss)
            time.sleep(STEADY_S)
            self.started_s = starting.result()
        hits = frozenset([NO_WORKER, *(worker.pid for worker in self._fleet.workers)])
        self.disturbance = Disturbance(what=loss.how, hits=hits, began=began, ended=time.time())

    def _start_others(self) -> float:
        time.sleep(CALM_S)
        return self._fleet.one_more_of_each(within=self._loss.down_s + READY_S)


LOSE: dict[str, Callable[[RabbitCluster, int], None]] = {
    "kill": RabbitCluster.kill,
    "stop": RabbitCluster.stop,
    "freeze": RabbitCluster.freeze,
}


def bring_back(cluster: RabbitCluster, loss: Loss) -> None:
    """Start or thaw the lost nodes, and wait until every node sees all nodes."""
    if loss.how == "freeze":
        for node in loss.nodes:
            cluster.thaw(node)
    else:
        cluster.start(*loss.nodes)
    every_node = set(range(NODES))
    eventually(
        lambda: all(cluster.running(node) == every_node for node in every_node),
        120,
        "all nodes are back",
    )


def restore(placement: Placement, loss: Loss) -> None:
    """Bring all nodes back after a failed test, too."""
    placement.admit_everywhere()
    bring_back(placement.cluster, loss)


async def under(load: Load, scenario: Scenario) -> None:
    """Run the scenario during the load."""
    loading = asyncio.create_task(load.run())
    try:
        await asyncio.to_thread(scenario.run)
    finally:
        load.stop()
        async with asyncio.timeout(SETTLE_S):
            await loading


def has_settled(commands: Sequence[Command], audit: AuditReader) -> bool:
    """Tell whether every accepted or started command has a final outcome."""
    ids = audit.requests
    accepted = [each for each in commands if each.fate in ACCEPTED]
    ended = (audit.has_ended(ids.get((each.address, each.value))) for each in accepted)
    return not audit.open_ends() and all(ended)


def history_of(
    commands: Sequence[Command],
    audit: AuditReader,
    written: list[Write],
    disturbance: Disturbance,
) -> History:
    """Return the history, with the command ids from the audit."""
    ids = audit.requests
    known = [
        msgspec.structs.replace(each, id=ids.get((each.address, each.value))) for each in commands
    ]
    return History(known, written, audit.records, [disturbance])


def notable(requests: Sequence[RequestResult], began: float) -> list[str]:
    """Return lines on the first failed and the longest requests, relative to the loss."""
    failed = sorted((each for each in requests if each.why), key=lambda each: each.start)
    slow = sorted(requests, key=lambda each: each.start - each.end)[:SHOWN]
    return [
        f"  {each.start - began:+.2f} s: {each.kind} {each.status} "
        f"after {each.end - each.start:.2f} s {each.why}"
        for each in [*failed[: 3 * SHOWN], *slow]
    ]


def renew_table(broker: str, loss: Loss, results: list[str]) -> None:
    if file := os.environ.get(table.VARIABLE):
        table.renew(Path(file), broker, loss.name, results)
