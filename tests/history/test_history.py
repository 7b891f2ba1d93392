"""Promises 2, 5 and 7 over whole histories of REST calls and events under disturbances."""

import asyncio
import random
from contextlib import suppress

import msgspec
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.history import checker
from tests.history.audit_reader import AuditReader
from tests.history.disturbances import DisturbanceRunner
from tests.history.history import ACCEPTED, Command, History, Write
from tests.history.publishing import Producer, Publishing
from tests.history.report import summary, timeline
from tests.history.script import Script, script
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
    """The seed of --history-seed; else the fixed daily seed, or a random seed with --chaos."""
    given: int | None = request.config.getoption("--history-seed")
    if given is not None:
        return given
    is_chaos = request.node.get_closest_marker("chaos") is not None
    return random.randrange(1_000_000) if is_chaos else DAILY_SEED


@pytest.mark.timeout(240)
def test_kills_freezes_cuts_and_restarts_change_no_order_and_lose_no_command(
    stack: Stack, seed: int
) -> None:
    planned = script(
        seed,
        addresses=ADDRESSES // 2,
        commands=1_250,
        disturbances={"kill": 2, "freeze": 2, "cut": 3, "restart": 1},
        freeze_s=(1.0, 4.0),
        pause_s=1.0,
    )
    assert_promises_kept(planned, run(stack, planned))


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("more", range(3))
def test_workers_frozen_until_others_take_over_change_no_order_and_lose_no_command(
    stack: Stack, seed: int, more: int
) -> None:
    planned = script(
        seed + more,
        addresses=ADDRESSES,
        commands=5_000,
        disturbances={"kill": 4, "freeze": 3, "cut": 4, "restart": 2},
        freeze_s=(20.0, 40.0),
        pause_s=10.0,
    )
    assert_promises_kept(planned, run(stack, planned))


def run(stack: Stack, planned: Script) -> History:
    """Run a script and return its history."""
    print(f"\n--history-seed {planned.seed}: {[each.kind for each in planned.disturbances]}")
    for name, delay in planned.delays_s.items():
        # Paused, because the sandbox would otherwise start a pod for each replica.
        stack.sandbox.add_deployment(name, replicas=0, spec={"paused": True})
        stack.sandbox.faults.add(method="PATCH", path=f"/{name}$", delay=delay, times=None)
    with AuditReader(stack.amqp_url) as audit:
        gateway, workers = stack.serving(workers=WORKERS, **GATEWAY)
        gateways = [gateway, stack.gateway(**GATEWAY)]
        stack.sandbox.calls.clear()
        runner = DisturbanceRunner(stack, workers)
        urls = [str(each.http.base_url) for each in gateways]
        commands = asyncio.run(_publish(stack, planned, urls, runner))
        accepted = {(each.address, each.value) for each in commands if each.fate in ACCEPTED}
        with suppress(AssertionError):  # the checker reports missing outcomes
            eventually(lambda: accepted <= audit.ended() and not audit.open_ends(), SETTLE_S)
    ids = audit.requests
    known = [
        msgspec.structs.replace(each, id=ids.get((each.address, each.value))) for each in commands
    ]
    return History(known, writes(stack.sandbox), audit.records, runner.disturbances)


async def _publish(
    stack: Stack, planned: Script, gateways: list[str], runner: DisturbanceRunner
) -> list[Command]:
    """Publish the commands and apply the disturbances concurrently, and await the end of both."""
    producer = Producer(stack.amqp_url)
    publishing = Publishing(planned, gateways, producer)
    staying = asyncio.create_task(producer.run())
    await asyncio.gather(publishing.run(), asyncio.to_thread(runner.run, planned.disturbances))
    staying.cancel()
    return publishing.commands


def writes(sandbox: KubernetesSandbox) -> list[Write]:
    """Return the scalings that the platform received."""
    return [
        Write(
            address=call.path.rpartition("/")[2],
            value=replicas,
            start=call.wall_start,
            end=call.wall_end,
        )
        for replicas, call in scalings(sandbox)
    ]


def assert_promises_kept(planned: Script, history: History) -> None:
    """Print the figures; fail with the seed and the timelines of the violations."""
    print("\n".join(summary(history)))
    found = checker.violations(history)
    shown = [line for each in found[:SHOWN] for line in timeline(history, each)]
    assert not found, "\n".join([f"--history-seed {planned.seed}: {len(found)} violations", *shown])
