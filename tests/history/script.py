"""What a seed decides: who asks what, how fast each platform call is, what is hurt, and when."""

import random
from typing import Literal

from msgspec import Struct

BURST = 12
QUICK_S = (0.005, 0.06)
SLOW_S = 0.12
SLOW_SHARE = 0.04

Hurt = Literal["kill", "freeze", "cut", "restart"]
Via = Literal["events", "keyed", "rest"]
WAYS: dict[Via, int] = {"events": 5, "keyed": 1, "rest": 4}


class Step(Struct, frozen=True):
    """Some events at once, or one REST call through a gateway; `keyed` events never collapse."""

    via: Via
    count: int
    pause_s: float
    gateway: int


class Blow(Struct, frozen=True):
    """Something to hurt after a while, and for how long; `whom` is taken modulo who is there."""

    what: Hurt
    after_s: float
    for_s: float
    whom: int


class Script(Struct, frozen=True):
    """By address its steps and how long a call to its platform takes."""

    seed: int
    steps: dict[str, list[Step]]
    delays_s: dict[str, float]
    blows: list[Blow]


def script(
    seed: int,
    *,
    addresses: int,
    commands: int,
    hurts: dict[Hurt, int],
    freeze_s: tuple[float, float],
    pause_s: float,
) -> Script:
    """The script of a seed: so many commands in all, and each hurt so many times.

    `pause_s` is the longest between two steps of an address.
    """
    dice = random.Random(seed)
    names = [f"app-{number}" for number in range(addresses)]
    each = -(-commands // addresses)
    return Script(
        seed,
        {name: _steps(dice, each, pause_s) for name in names},
        {name: _delay(dice) for name in names},
        _blows(dice, hurts, freeze_s),
    )


def _steps(dice: random.Random, commands: int, pause_s: float) -> list[Step]:
    steps = []
    while commands:
        via = dice.choices(list(WAYS), list(WAYS.values()))[0]
        count = 1 if via == "rest" else min(commands, dice.randint(1, BURST))
        # Now and then nothing is waited for: many addresses press at once.
        pause = dice.choice((0.0, dice.uniform(0, pause_s)))
        steps.append(Step(via, count, pause, dice.randrange(2)))
        commands -= count
    return steps


def _delay(dice: random.Random) -> float:
    return SLOW_S if dice.random() < SLOW_SHARE else dice.uniform(*QUICK_S)


def _blows(
    dice: random.Random, hurts: dict[Hurt, int], freeze_s: tuple[float, float]
) -> list[Blow]:
    kinds: list[Hurt] = [what for what, times in hurts.items() for _ in range(times)]
    dice.shuffle(kinds)
    return [
        Blow(what, dice.uniform(0.5, 2.5), dice.uniform(*freeze_s), dice.randrange(1000))
        for what in kinds
    ]
