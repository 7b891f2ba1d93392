"""A writer that is cut short or loses answers at any request: one plan is whole, and the next one
deletes what was left."""

import random
from collections.abc import Iterator

import pytest

from contracts.faults import Fault
from tests.ecs.routes import worlds
from tests.ecs.routes.interrupted_client import Choose, Fate
from tests.ecs.routes.worlds import FORMER, LAST, NEWER, ONE, Place

BAD: tuple[Fate, ...] = ("lost", "repeated", "killed before", "killed after")
RUNS = 100


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with worlds.opened() as opened:
        yield opened


def going_wrong_at(request_: int, fate: Fate) -> Choose:
    return lambda number, action: fate if number == request_ else "answered"


@pytest.mark.parametrize("fate", BAD)
@pytest.mark.parametrize("request_", range(12))
def test_a_writer_alone_brings_its_plan_into_force_or_leaves_the_former(place, request_, fate):
    world = place.world()

    ended = world.apply(NEWER, going_wrong_at(request_, fate), world.look)

    in_force = world.in_force(FORMER, NEWER)
    assert in_force == NEWER or not isinstance(ended, dict)
    assert isinstance(world.apply(NEWER), dict)
    world.expect(NEWER)


@pytest.mark.parametrize("fate", BAD)
@pytest.mark.parametrize("request_", range(6, 22))
def test_in_place_too_nobody_misses_a_pin_that_stays_or_the_default(place, request_, fate):
    world = place.world(strangers=range(1001, 1098))

    ended = world.apply(ONE, going_wrong_at(request_, fate), world.look)

    if isinstance(ended, dict | Fault):
        assert world.in_force(FORMER, ONE) in (FORMER, ONE)
    assert isinstance(world.apply(LAST), dict)
    world.expect(LAST)


def play(place: Place, seed: int) -> None:
    """Apply two plans, of which some requests go wrong; requests always meet one whole plan."""
    dice = random.Random(seed)
    former = dice.choice([FORMER, FORMER, None])
    world = place.world(former, dice.sample(range(2, 14), dice.choice([0, 0, 2, 4, 6])))

    def choose(number: int, action: str) -> Fate:
        return dice.choice(BAD) if dice.random() < 0.08 else "answered"

    possible = [former] if former else []
    for plan in (ONE, NEWER):
        possible.append(plan)
        ended = world.apply(plan, choose, world.look if former else lambda: None)
        if isinstance(ended, dict):
            possible = [plan]
        if former or isinstance(ended, dict):
            assert world.in_force(*possible) in possible
    assert isinstance(world.apply(LAST), dict)
    world.expect(LAST)


def played(place: Place, seeds: range) -> None:
    for seed in seeds:
        try:
            play(place, seed)
        except AssertionError as error:
            raise AssertionError(f"play(place, {seed})") from error


def test_after_any_interruptions_one_plan_is_whole_and_the_next_deletes_the_rest(place):
    played(place, range(RUNS))


@pytest.mark.chaos
def test_so_it_is_in_every_run(place):
    first = random.randrange(10**9)
    played(place, range(first, first + 100 * RUNS))
