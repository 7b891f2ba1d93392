"""A node of three is killed, stopped or frozen under load: nothing is lost, reordered or a lie."""

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
from tests.cluster.load import Asked, Load
from tests.cluster.measures import broken, outage
from tests.cluster.situation import Situation
from tests.history.disturbances import NO_WORKER
from tests.history.history import ACCEPTED, Command, Disturbance, History, Write
from tests.history.tap import Tap
from tests.history.test_history import writes
from tests.stack import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(700)]

GATEWAYS = 2
WORKERS = 3
CONNECTIONS = 2 * (GATEWAYS + WORKERS) + 1
"""Two of each gateway and worker, and that of the event producers."""

STEADY_S = 4.0
CALM_S = 3.0
"""The others start when the outage should be over, so that they do not slow it down."""

PLATFORM_S = 0.02
SETTLE_S = 300.0
"""RabbitMQ repeats a dead letter that no queue confirmed after 180 s, and not sooner: the setting
`dead_letter_worker_publisher_confirm_timeout` of the application rabbit, in 3.10 and in 4.0. The
outcome of a command that expired while its node froze comes that late.
"""

MOST_S = 3.0
SHOWN = 12


class Loss(Struct, frozen=True):
    """What is done to which nodes, and where connections and leaders are before.

    Nodes are numbers from 0. `most_s` bounds the time in which requests fail.
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
def situation(cluster: RabbitCluster) -> Situation:
    """A virtual host that all losses happen to, one after another."""
    return Situation(cluster, "node-loss").create()


@pytest.fixture(scope="module")
def broker(situation: Situation, khepri: bool) -> str:
    """The name of the broker in the table."""
    return f"{situation.version()} with Khepri" if khepri else situation.version()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_lost_node_costs_seconds_and_neither_commands_nor_their_order_nor_the_truth(
    situation: Situation, sandbox: KubernetesSandbox, broker: str, loss: Loss, tmp_path: Path
) -> None:
    situation.lead(loss.leaders)
    with ExitStack() as stack:
        stack.callback(make_whole, situation, loss)
        situation.admit_only(loss.connections)
        fleet = stack.enter_context(Fleet(situation.amqp_url, sandbox, tmp_path))
        fleet.start(GATEWAYS, WORKERS)
        urls = [str(gateway.http.base_url) for gateway in fleet.gateways]
        prefix = f"loss-{LOSSES.index(loss)}"
        load = Load(prefix, urls, situation.amqp_url, falls_silent=loss.how == "freeze")
        for name in [*load.scaled, *load.published]:
            # Paused, or each replica would be a pod that the stand-in starts.
            sandbox.add_deployment(name, replicas=0, spec={"paused": True})
            sandbox.faults.add(method="PATCH", path=f"/{name}$", delay=PLATFORM_S, times=None)
        sandbox.calls.clear()
        play = Play(situation, fleet, loss)
        asyncio.run(under(load, play))
        # A reader that begins now reads the audit as it is, whatever a reader saw of the loss.
        tap = stack.enter_context(Tap(situation.amqp_url))
        with suppress(AssertionError):  # the measures say whose outcome is missing
            eventually(lambda: has_settled(load.commands, tap), SETTLE_S)

    measured = outage(load.asked)
    history = history_of(load.commands, tap, writes(sandbox), play.disturbance)
    found = broken(history)
    events = Counter(each.fate.value for each in load.commands if each.address in load.published)
    results = table.cells(measured, events, found, play.started_s)
    print(f"\n{broker}: {loss.name}: {dict(zip(table.COLUMNS[2:], results, strict=True))}")
    print("\n".join(notable(load.asked, play.disturbance.began)))
    renew_table(broker, loss, results)
    assert not found.lines(), "\n".join(found.lines()[:SHOWN])
    assert measured.statuses.keys() <= {200, 503, 504}
    assert measured.seconds <= loss.most_s


class Play:
    """What happens beside the load."""

    def __init__(self, situation: Situation, fleet: Fleet, loss: Loss) -> None:
        self._situation = situation
        self._cluster = situation.cluster
        self._fleet = fleet
        self._loss = loss
        self.started_s = 0.0
        self.disturbance: Disturbance

    def run(self) -> None:
        """Lose the nodes, start a gateway and a worker without them, and have them back."""
        loss = self._loss
        self._situation.expect_connections(loss.connections, CONNECTIONS)
        self._situation.admit_everywhere()
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
    """Start or thaw the lost nodes, and wait until all nodes see all."""
    if loss.how == "freeze":
        for node in loss.nodes:
            cluster.thaw(node)
    else:
        cluster.start(*loss.nodes)
    everyone = set(range(NODES))
    eventually(
        lambda: all(cluster.running(node) == everyone for node in everyone), 120, "all are back"
    )


def make_whole(situation: Situation, loss: Loss) -> None:
    """Leave three running nodes, however the test ended."""
    situation.admit_everywhere()
    bring_back(situation.cluster, loss)


async def under(load: Load, play: Play) -> None:
    """Run the play while the load lasts."""
    loading = asyncio.create_task(load.run())
    try:
        await asyncio.to_thread(play.run)
    finally:
        load.stop()
        async with asyncio.timeout(SETTLE_S):
            await loading


def has_settled(commands: Sequence[Command], tap: Tap) -> bool:
    """Whether all that was accepted, and all that was started, has ended."""
    ids = tap.requests
    accepted = [each for each in commands if each.fate in ACCEPTED]
    ended = (tap.has_ended(ids.get((each.address, each.value))) for each in accepted)
    return not tap.open_ends() and all(ended)


def history_of(
    commands: Sequence[Command], tap: Tap, written: list[Write], disturbance: Disturbance
) -> History:
    """What the checker judges: commands with the ids that the audit knows."""
    ids = tap.requests
    known = [
        msgspec.structs.replace(each, id=ids.get((each.address, each.value))) for each in commands
    ]
    return History(known, written, tap.records, [disturbance])


def notable(asked: Sequence[Asked], began: float) -> list[str]:
    """The requests that failed and those that took longest, by when they began after the loss."""
    failed = sorted((each for each in asked if each.why), key=lambda each: each.start)
    slow = sorted(asked, key=lambda each: each.start - each.end)[:SHOWN]
    return [
        f"  {each.start - began:+.2f} s: {each.kind} {each.status} "
        f"after {each.end - each.start:.2f} s {each.why}"
        for each in [*failed[: 3 * SHOWN], *slow]
    ]


def renew_table(broker: str, loss: Loss, results: list[str]) -> None:
    if file := os.environ.get(table.VARIABLE):
        table.renew(Path(file), broker, loss.name, results)
