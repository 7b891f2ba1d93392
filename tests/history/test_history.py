"""Promises 5 and 7 over whole histories: REST and events while everything is hurt in turn."""

import asyncio
import random
from contextlib import suppress

import msgspec
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.history import checker
from tests.history.disturbances import Scene
from tests.history.history import ACCEPTED, Command, History, Write
from tests.history.publishing import Producer, Publishing
from tests.history.script import Script, script
from tests.history.tap import Tap
from tests.history.telling import summary, timeline
from tests.scalings import scalings
from tests.stack import Stack, eventually

DAILY_SEED = 7
ADDRESSES = 50
WORKERS = 4
GATEWAY = {"PLT_DEADLINE_MS": "queries=10000,commands=4000"}
SETTLE_S = 90
SHOWN = 10


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The one that was given; else the daily run's own, or with --chaos another in each run."""
    given: int | None = request.config.getoption("--history-seed")
    if given is not None:
        return given
    is_chaos = request.node.get_closest_marker("chaos") is not None
    return random.randrange(1_000_000) if is_chaos else DAILY_SEED


@pytest.mark.timeout(240)
def test_what_is_killed_frozen_cut_and_restarted_changes_no_order_and_loses_nothing(
    stack: Stack, seed: int
) -> None:
    played = script(
        seed,
        addresses=ADDRESSES,
        commands=2_500,
        hurts={"kill": 2, "freeze": 2, "cut": 3, "restart": 1},
        freeze_s=(1.0, 4.0),
        pause_s=1.0,
    )
    assert_kept(played, play(stack, played))


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("more", range(3))
def test_nothing_is_lost_either_when_workers_are_frozen_until_others_take_over(
    stack: Stack, seed: int, more: int
) -> None:
    played = script(
        seed + more,
        addresses=ADDRESSES,
        commands=5_000,
        hurts={"kill": 4, "freeze": 3, "cut": 4, "restart": 2},
        freeze_s=(20.0, 40.0),
        pause_s=10.0,
    )
    assert_kept(played, play(stack, played))


def play(stack: Stack, played: Script) -> History:
    """Have it happen, and collect the evidence."""
    print(f"\n--history-seed {played.seed}: {[blow.what for blow in played.blows]}")
    for name, delay in played.delays_s.items():
        # Paused, or each replica would be a pod that the stand-in starts.
        stack.sandbox.add_deployment(name, replicas=0, spec={"paused": True})
        stack.sandbox.faults.add(method="PATCH", path=f"/{name}$", delay=delay, times=None)
    with Tap(stack.amqp_url) as tap:
        gateway, workers = stack.serving(workers=WORKERS, **GATEWAY)
        gateways = [gateway, stack.gateway(**GATEWAY)]
        stack.sandbox.calls.clear()
        scene = Scene(stack, workers)
        urls = [str(each.http.base_url) for each in gateways]
        commands = asyncio.run(_publish(stack, played, urls, scene))
        accepted = {(each.address, each.value) for each in commands if each.fate in ACCEPTED}
        with suppress(AssertionError):  # the checker says whose outcome is missing
            eventually(lambda: accepted <= tap.ended() and not tap.open_ends(), SETTLE_S)
    ids = tap.requests
    known = [
        msgspec.structs.replace(each, id=ids.get((each.address, each.value))) for each in commands
    ]
    return History(known, writes(stack.sandbox), tap.records, scene.disturbances)


async def _publish(
    stack: Stack, played: Script, gateways: list[str], scene: Scene
) -> list[Command]:
    """Publish the script while the blows fall; ends when both are over."""
    producer = Producer(stack.amqp_url)
    publishing = Publishing(played, gateways, producer)
    staying = asyncio.create_task(producer.run())
    await asyncio.gather(publishing.run(), asyncio.to_thread(scene.play, played.blows))
    staying.cancel()
    return publishing.commands


def writes(sandbox: KubernetesSandbox) -> list[Write]:
    """What the platform was told."""
    return [
        Write(
            address=call.path.rpartition("/")[2],
            value=replicas,
            start=call.wall_start,
            end=call.wall_end,
        )
        for replicas, call in scalings(sandbox)
    ]


def assert_kept(played: Script, history: History) -> None:
    """Print what happened; fail with the seed and the lines that show what was not kept."""
    print("\n".join(summary(history)))
    found = checker.violations(history)
    shown = [line for each in found[:SHOWN] for line in timeline(history, each)]
    assert not found, "\n".join([f"--history-seed {played.seed}: {len(found)} violations", *shown])
