"""A writer that is killed or loses answers at any request leaves one whole plan.

The next plan deletes the other rules.
"""

import random
from collections.abc import Iterator

import pytest

from contracts.faults import Fault
from tests.ecs.routes import simulated_listener
from tests.ecs.routes.interrupted_client import Choose, Fate
from tests.ecs.routes.simulated_listener import FORMER, LAST, NEWER, ONE, SimulatedAccount

BAD: tuple[Fate, ...] = ("lost", "repeated", "killed before", "killed after")
RUNS = 100


@pytest.fixture(scope="module")
def simulation() -> Iterator[SimulatedAccount]:
    with simulated_listener.opened() as opened:
        yield opened


def failing_at(request_: int, fate: Fate) -> Choose:
    return lambda number, action: fate if number == request_ else "answered"


@pytest.mark.parametrize("fate", BAD)
@pytest.mark.parametrize("request_", range(12))
def test_an_interrupted_write_leaves_the_former_or_the_new_plan_in_force(
    simulation, request_, fate
):
    listener = simulation.listener()

    result = listener.apply(NEWER, failing_at(request_, fate), listener.expect_service)

    in_force = listener.in_force(FORMER, NEWER)
    assert in_force == NEWER or not isinstance(result, dict)
    assert isinstance(listener.apply(NEWER), dict)
    listener.expect_plan(NEWER)


@pytest.mark.parametrize("fate", BAD)
@pytest.mark.parametrize("request_", range(6, 22))
def test_an_interrupted_change_in_place_keeps_common_pins_and_the_default_rule(
    simulation, request_, fate
):
    listener = simulation.listener(foreign=range(1001, 1098))

    result = listener.apply(ONE, failing_at(request_, fate), listener.expect_service)

    if isinstance(result, dict | Fault):
        assert listener.in_force(FORMER, ONE) in (FORMER, ONE)
    assert isinstance(listener.apply(LAST), dict)
    listener.expect_plan(LAST)


def play(simulation: SimulatedAccount, seed: int) -> None:
    """Apply two plans with random interruptions, and assert that one whole plan is in force."""
    chance = random.Random(seed)
    former = chance.choice([FORMER, FORMER, None])
    listener = simulation.listener(
        former, chance.sample(range(2, 14), chance.choice([0, 0, 2, 4, 6]))
    )

    def choose(number: int, action: str) -> Fate:
        return chance.choice(BAD) if chance.random() < 0.08 else "answered"

    possible = [former] if former else []
    for plan in (ONE, NEWER):
        possible.append(plan)
        result = listener.apply(plan, choose, listener.expect_service if former else lambda: None)
        if isinstance(result, dict):
            possible = [plan]
        if former or isinstance(result, dict):
            assert listener.in_force(*possible) in possible
    assert isinstance(listener.apply(LAST), dict)
    listener.expect_plan(LAST)


def play_all(simulation: SimulatedAccount, seeds: range) -> None:
    for seed in seeds:
        try:
            play(simulation, seed)
        except AssertionError as error:
            raise AssertionError(f"play(simulation, {seed})") from error


def test_random_interruptions_leave_one_whole_plan_and_the_next_deletes_the_rest(simulation):
    play_all(simulation, range(RUNS))


@pytest.mark.chaos
def test_many_more_random_interruptions(simulation):
    first = random.randrange(10**9)
    play_all(simulation, range(first, first + 100 * RUNS))
