"""Writers of one application's routes at the same time: whatever the order, one plan, whole."""

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from contracts.faults import Code, Fault
from tests.ecs.routing import worlds
from tests.ecs.routing.turns import Talk, Turn
from tests.ecs.routing.worlds import (
    BAD,
    FORMER,
    GOOD,
    LAST,
    LONG,
    NEWER,
    ONE,
    SAME_AGE,
    Choose,
    Place,
    World,
)
from worker.providers.ecs.route_plan import Plan


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with worlds.opened() as opened:
        yield opened


def look(world: World, former: Plan | None) -> Callable[[], None]:
    """A first plan comes into force rule by rule."""
    return world.look if former else lambda: None


def held_up(after: int) -> Choose:
    """The first writer makes so many requests, then the second all of its, then the first."""
    counted = itertools.count()

    def choose(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
        turn = 0 if len(waiting) == 1 or next(counted) < after else 1
        return waiting[turn][0], "answered"

    return choose


HELD_UP_AT = range(16)


@pytest.mark.parametrize("former", [FORMER, None], ids=["after another plan", "first plans"])
@pytest.mark.parametrize("after", HELD_UP_AT)
def test_an_older_plan_that_was_held_up_never_stays(place, former, after):
    world = place.world(former)

    older, newer = world.run([ONE, NEWER], held_up(after), look(world, former))

    assert world.expect(ONE, NEWER) == NEWER
    assert isinstance(newer, dict)
    if isinstance(older, Fault):
        assert older.code is Code.CONFLICT
        assert "is stale: it has generation 12, and a plan with generation 13" in older.message


@pytest.mark.parametrize("former", [FORMER, None], ids=["after another plan", "first plans"])
@pytest.mark.parametrize("after", HELD_UP_AT)
def test_a_newer_plan_that_was_held_up_stays(place, former, after):
    world = place.world(former)

    newer, older = world.run([NEWER, ONE], held_up(after), look(world, former))

    assert world.expect(ONE, NEWER) == NEWER
    assert isinstance(newer, dict)
    assert isinstance(older, dict) or older.code is Code.CONFLICT


@pytest.mark.parametrize("former", [FORMER, None], ids=["after another plan", "first plans"])
@pytest.mark.parametrize("after", HELD_UP_AT)
def test_of_two_plans_of_one_age_one_stays_and_its_writer_was_told_so(place, former, after):
    world = place.world(former)

    ended = world.run([ONE, SAME_AGE], held_up(after), look(world, former))

    stays = world.expect(ONE, SAME_AGE)
    assert isinstance(ended[[ONE, SAME_AGE].index(stays)], dict)
    assert all(isinstance(each, dict) or each.code is Code.CONFLICT for each in ended)


@pytest.mark.parametrize("after", HELD_UP_AT)
def test_one_plan_that_is_applied_twice_at_once_is_there_once_and_both_are_told_so(place, after):
    world = place.world()

    ended = world.run([ONE, ONE], held_up(after), world.look)

    assert world.expect(ONE) == ONE
    assert all(isinstance(each, dict) for each in ended)


@pytest.mark.parametrize("after", range(6))
def test_a_plan_that_another_found_in_force_is_not_taken_back_for_a_lost_answer(place, after):
    world = place.world()
    counted = itertools.count()

    def choose(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
        one, other = world.writers
        lost = "elasticloadbalancing:SetRulePriorities" in one.asked
        turns = dict(waiting)
        if one in turns and (not lost or other not in turns or next(counted) >= after):
            is_move = turns[one].endswith(":SetRulePriorities") and not lost
            return one, "lost" if is_move else GOOD
        return other, GOOD

    ended = world.run([ONE, ONE], choose, world.look)

    assert world.expect(ONE) == ONE
    assert all(isinstance(each, dict) for each in ended)


def test_a_plan_is_read_to_its_end_while_another_writer_deletes_one_rule_per_look(place):
    world = place.world(LONG)

    def choose(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
        turns = dict(waiting)
        clearing, newest = world.writers
        deleted = clearing.asked.count("elasticloadbalancing:DeleteRule")
        looked = newest.asked.count("elasticloadbalancing:DescribeRules")
        waits = clearing in turns and turns[clearing].endswith(":DeleteRule")
        if clearing in turns and (not waits or newest not in turns or deleted < looked):
            return clearing, GOOD
        return newest, GOOD

    cleared, applied = world.run([NEWER, LAST], choose, world.look)

    assert world.expect(NEWER, LAST) == LAST
    assert isinstance(applied, dict)
    assert isinstance(cleared, Fault)
    assert cleared.code is Code.CONFLICT


PLANS = [ONE, SAME_AGE, NEWER]
RUNS = 250


class Dice:
    """Whose turn it is and what becomes of it, as a seed has it; at most so many go wrong."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.writers = [self._dice.choice(PLANS) for _ in range(self._dice.choice([2, 2, 3]))]
        self.former = self._dice.choice([FORMER, FORMER, None])
        self.strangers = self._dice.sample(range(2, 14), self._dice.choice([0, 0, 2, 4, 6]))
        self.all_well = True
        self._may_go_wrong = self._dice.choice([0, 0, 1, 1, 2])
        self._patience = self._dice.random()
        self._last: Talk | None = None
        self.log: list[str] = []

    def choose(self, waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
        talk, action = self._dice.choice(waiting)
        if self._dice.random() < self._patience:
            talk, action = next((each for each in waiting if each[0] is self._last), waiting[0])
        self._last = talk
        become = GOOD
        if self._may_go_wrong and self._dice.random() < 0.08:
            become = self._dice.choice(BAD)
            self._may_go_wrong -= 1
            self.all_well = False
        self.log.append(f"{id(talk) % 997:3} {action.partition(':')[2]} {become}")
        return talk, become


def play(place: Place, seed: int) -> None:
    """A run of a seed: at its end requests meet a plan that is whole, and none that is too old."""
    dice = Dice(seed)
    world = place.world(dice.former, dice.strangers)

    ended = world.run(dice.writers, dice.choose, look(world, dice.former))

    told = zip(dice.writers, ended, strict=True)
    applied = [plan for plan, how in told if isinstance(how, dict)]
    if dice.former or applied:
        in_force = world.in_force(FORMER, *PLANS)
        assert all(in_force.freshness >= plan.freshness for plan in applied)
    if dice.all_well:
        stays = world.expect(*dice.writers)
        assert stays in applied
        assert stays.freshness == max(plan.freshness for plan in dice.writers)
    assert isinstance(world.apply(LAST), dict)
    assert world.expect(LAST) == LAST


def played(place: Place, seeds: range) -> None:
    for seed in seeds:
        try:
            play(place, seed)
        except AssertionError as error:
            raise AssertionError(f"play(place, {seed})") from error


def test_whatever_the_order_and_whoever_dies_one_plan_is_whole_and_the_next_clears_the_rest(place):
    played(place, range(RUNS))


@pytest.mark.chaos
def test_so_it_is_in_every_run(place):
    first = random.randrange(10**9)
    played(place, range(first, first + 40 * RUNS))


@pytest.mark.parametrize("become", BAD)
@pytest.mark.parametrize("request_", range(12))
def test_a_writer_alone_brings_its_plan_into_force_or_leaves_the_former(place, request_, become):
    world = place.world()

    [ended] = world.run([NEWER], going_wrong_at(request_, become), world.look)

    in_force = world.in_force(FORMER, NEWER)
    assert in_force == NEWER or not isinstance(ended, dict)
    assert isinstance(world.apply(NEWER), dict)
    assert world.expect(NEWER) == NEWER


@pytest.mark.parametrize("become", BAD)
@pytest.mark.parametrize("request_", range(6, 22))
def test_in_place_too_nobody_misses_a_pin_that_stays_or_the_default(place, request_, become):
    world = place.world(strangers=range(1001, 1098))

    [ended] = world.run([ONE], going_wrong_at(request_, become), world.look)

    if isinstance(ended, dict | Fault):
        assert world.in_force(FORMER, ONE) in (FORMER, ONE)
    assert isinstance(world.apply(LAST), dict)
    assert world.expect(LAST) == LAST


def going_wrong_at(request_: int, become: Turn) -> Choose:
    counted = itertools.count()

    def choose(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
        return waiting[0][0], become if next(counted) == request_ else GOOD

    return choose
