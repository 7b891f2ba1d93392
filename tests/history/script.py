"""Commands, platform delays and disturbances, generated from a random seed."""

import random
from typing import Literal

from msgspec import Struct

BURST = 12
QUICK_S = (0.005, 0.06)
SLOW_S = 0.12
SLOW_SHARE = 0.04

Kind = Literal["kill", "freeze", "cut", "restart"]
Via = Literal["events", "keyed", "rest"]
WEIGHTS: dict[Via, int] = {"events": 5, "keyed": 1, "rest": 4}


class Step(Struct, frozen=True):
    """A burst of events, or one REST call; `keyed` events are never superseded."""

    via: Via
    count: int
    pause_s: float
    gateway: int


class Planned(Struct, frozen=True):
    """A planned disturbance; `target` selects a worker, modulo the number of workers."""

    kind: Kind
    after_s: float
    for_s: float
    target: int


class Script(Struct, frozen=True):
    """The steps and the platform delay of each address, and the disturbances."""

    seed: int
    steps: dict[str, list[Step]]
    delays_s: dict[str, float]
    disturbances: list[Planned]


def script(
    seed: int,
    *,
    addresses: int,
    commands: int,
    disturbances: dict[Kind, int],
    freeze_s: tuple[float, float],
    pause_s: float,
) -> Script:
    """Generate a script; `disturbances` are counts by kind.

    `pause_s` is the maximum pause between two steps of an address.
    """
    rng = random.Random(seed)
    names = [f"app-{number}" for number in range(addresses)]
    each = -(-commands // addresses)
    return Script(
        seed,
        {name: _steps(rng, each, pause_s) for name in names},
        {name: _delay(rng) for name in names},
        _disturbances(rng, disturbances, freeze_s),
    )


def _steps(rng: random.Random, commands: int, pause_s: float) -> list[Step]:
    steps = []
    while commands:
        via = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        count = 1 if via == "rest" else min(commands, rng.randint(1, BURST))
        # Half of the steps follow without a pause, so that many addresses publish at once.
        pause = rng.choice((0.0, rng.uniform(0, pause_s)))
        steps.append(Step(via, count, pause, rng.randrange(2)))
        commands -= count
    return steps


def _delay(rng: random.Random) -> float:
    return SLOW_S if rng.random() < SLOW_SHARE else rng.uniform(*QUICK_S)


def _disturbances(
    rng: random.Random, counts: dict[Kind, int], freeze_s: tuple[float, float]
) -> list[Planned]:
    kinds: list[Kind] = [kind for kind, times in counts.items() for _ in range(times)]
    rng.shuffle(kinds)
    return [
        Planned(kind, rng.uniform(0.5, 2.5), rng.uniform(*freeze_s), rng.randrange(1000))
        for kind in kinds
    ]
