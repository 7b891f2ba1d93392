"""A page with the state and the outcomes of a small shop, without a broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from contracts import outcomes, topology
from contracts.address import SLOTS
from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.records.requests import Request
from tests.audit.records import ended, outcome, started
from tests.page.scene import Scene, fed

APPS = ("bakery", "checkout", "search", "mail", "reports", "images")
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
"""A text that must stay a text."""

FAULTS = {
    Result.FAILED: Cause(Code.NOT_FOUND, "there is no controller 'search' in the namespace shop"),
    Result.EXPIRED: Cause(Code.DEADLINE_EXCEEDED, "the command was not started in time"),
    Result.REFUSED: Cause(Code.QUEUE_FULL, "a queue of the provider 'ecs' rejected the message"),
}


def commands(number: int, now: datetime, first: int = 0) -> list[Outcome]:
    """Return the records of commands of the last minute, oldest first."""
    return [record for each in range(first, first + number) for record in _command(each, now)]


def _command(number: int, now: datetime) -> list[Outcome]:
    result = {7: Result.FAILED, 11: Result.EXPIRED, 13: Result.REFUSED}.get(
        number % 17, Result.DONE
    )
    app, provider = APPS[number % 6], ("k8s", "k8s", "ecs")[number % 3]
    at = now - timedelta(seconds=55) + timedelta(milliseconds=700 * (number % 78))
    replicas = 2 + number % 5
    known: dict[str, Any] = {
        "provider": provider,
        "address": f"controllers.shop.{app}",
        "requested_by": ("icc", "release-pipeline")[number % 4 == 3],
        "asked": at - timedelta(milliseconds=14 + 9 * (number % 7)),
    }
    identity = f"019ad2c0f1e07a3b{number:016x}"
    body = {"scope": "shop", "name": app, "replicas": replicas}
    request = Request(exchange=topology.COMMANDS, body=body)
    if result in FAULTS:
        return [
            outcome(identity, result, finished=at, fault=FAULTS[result], request=request, **known)
        ]
    known |= {"started": at}
    states = {"before": {"replicas": 1 + number % 3}, "after": {"replicas": replicas}}
    end = {"finished": at + timedelta(milliseconds=120 + 83 * (number % 9)), "status": 200}
    return [
        outcome(identity, Result.STARTED, request=request, **known),
        outcome(identity, result, **known, **states, **end),
    ]


def scene(number: int = 60, **more: Any) -> Scene:
    """Return a page with two providers, and commands that run."""
    now = outcomes.now()
    starts = {"shop.mail": now - timedelta(seconds=41), "shop.reports": now - timedelta(seconds=9)}
    running = [
        started(f"019ad2c0f1e07a3bfff{number}", at=at, asked=at, address=f"controllers.{name}")
        for number, (name, at) in enumerate(starts.items())
    ]
    scene = Scene(*running, *commands(number, now), **more)
    scene.link.ready()
    ready = {topology.ENDED: 0, topology.DEAD: 0}
    for provider in ("k8s", "ecs"):
        ready[topology.queries_queue(provider)] = 0
        ready |= {topology.partition_queue(provider, slot): 0 for slot in range(SLOTS)}
    scene.page.depths.set(ready | {topology.partition_queue("ecs", 7): 12})
    return scene


@asynccontextmanager
async def attended(scene: Scene) -> AsyncIterator[None]:
    """Let three workers announce themselves; no worker owns partition 7 of ecs."""
    since = outcomes.now().timestamp()

    async def announce() -> None:
        while True:
            for name, slots, age in (("a7f3", [0, 1, 2, 3], 86_000), ("c19e", [4, 5, 6, 7], 5_400)):
                worker = f"worker-k8s-{name}"
                scene.announce("k8s", worker=worker, partitions=slots, since=since - age)
            slots = list(range(7))
            scene.announce("ecs", worker="worker-ecs-51bd", partitions=slots, since=since - 300)
            await asyncio.sleep(1)

    announcing = asyncio.create_task(announce())
    try:
        yield
    finally:
        announcing.cancel()


class Arrivals:
    """Adds further records to a page."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._numbers = count(1000)

    def add(self, **what: Any) -> str:
        """Add a command that ended now, and return its id."""
        identity = f"new-{next(self._numbers)}"
        fed(self._scene.page.feed, ended(identity, at=outcomes.now(), **what))
        return identity
