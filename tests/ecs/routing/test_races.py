"""Writers of one application's routes at the same time: whatever the order, one plan, whole."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from contracts.faults import Code, Fault
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.population import Population
from tests.ecs.routing import listeners, plans
from tests.ecs.routing.plans import APPLICATION, CLUSTER, HOSTNAME, default, header, query
from tests.ecs.routing.turns import Talk, Turn, take_turns
from worker.provider import Call
from worker.providers.ecs.backends import Backend, Health
from worker.providers.ecs.editions import FINAL, Seen, see
from worker.providers.ecs.listener import Listener
from worker.providers.ecs.plan_applying import Applying
from worker.providers.ecs.route_plan import Plan

VERSIONS = ("v6", "v7", "v8", "v9")
KEPT = query("v6")
"""A pin of every plan here: nobody who asks for v6 may ever get anything else."""
FORMER = plans.read(KEPT, query("v7"), default("v7"), generation=11)
ONE = plans.read(KEPT, header("v7"), default("v8"), generation=12)
SAME_AGE = plans.read(KEPT, default("v9"), generation=12)
NEWER = plans.read(KEPT, query("v8"), header("v8"), default("v9"), generation=13)

Place = tuple[Population, dict[str, str]]
Choose = Callable[[list[tuple[Talk, str]]], tuple[Talk, Turn]]


class World:
    """A listener with an application's rules, and those who write them."""

    def __init__(self, things: Population, groups: dict[str, str]) -> None:
        self.things = things
        self.groups = groups
        self.writers: list[Talk] = []
        self.looks = 0

    def applying(self, talk: Talk, plan: Plan, seed: int) -> Coroutine[Any, Any, Any]:
        assert self.things.listener_arn is not None
        listener = Listener(talk, self.things.listener_arn, APPLICATION, CLUSTER)  # type: ignore[arg-type]  # as much of a conversation as it needs
        found = {
            pin.service: Backend(self.groups[pin.version], (Health("healthy"),))
            for pin in plan.pins
        }
        chance = random.Random(seed)
        return Applying(listener, plan, found, CLUSTER, 0, chance).run(Call.within(60))

    def run(
        self, plans: list[Plan], choose: Choose, after: Callable[[], None] = lambda: None
    ) -> list[Any]:
        """How each ended that applied one of the plans."""

        async def race() -> list[Any]:
            self.writers = [Talk(self.things.account) for _ in plans]
            for seed, (talk, plan) in enumerate(zip(self.writers, plans, strict=True)):
                talk.start(self.applying(talk, plan, seed))
            return await take_turns(self.writers, choose, after)

        return asyncio.run(race())

    def apply(self, plan: Plan) -> Any:
        [ended] = self.run([plan], first)
        return ended

    def seen(self) -> Seen:
        return see(listeners.present_in(self.things.account).values(), APPLICATION, CLUSTER)

    def answer(self, **asked: str) -> str | None:
        state = listeners.present_in(self.things.account)
        found = plans.answer(state, HOSTNAME, **asked)
        return None if found is None else found.split("/")[-2]

    def look(self) -> None:
        """Whoever asks for a version of every plan gets it, and everybody else gets one."""
        self.looks += 1
        assert self.answer(dpl="v6") == "orders-v6"
        assert self.answer() is not None

    def expect(self, *possible: Plan) -> Plan:
        """The one of the plans that the listener has, and nothing but it."""
        [edition] = self.seen().editions
        assert edition.is_whole
        assert all(rule.priority in FINAL for rule in edition.rules)
        here = [listeners.brief(rule) for rule in edition.rules]
        return next(plan for plan in possible if self._brief(plan) == here)

    def in_force(self, *possible: Plan) -> Plan:
        """The one of the plans that requests meet."""
        here = [listeners.brief(rule) for rule in self.seen().in_force]
        return next(plan for plan in possible if self._brief(plan) == here)

    def _brief(self, plan: Plan) -> list[str]:
        return [listeners.brief(each) for each in plans.edition(plan)]


def first(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
    return waiting[0][0], "answered"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    things = Population(Account("eu-central-1"))
    things.add_listener()
    groups = {version: things.add_target_group(f"orders-{version}") for version in VERSIONS}
    yield things, groups
    things.account.forget()


def fresh(place: Place, former: Plan | None = FORMER, strangers: Iterable[int] = ()) -> World:
    things, groups = place
    listeners.clear(things.account)
    for priority in strangers:
        things.add_rule(groups["v6"], host="other.example.org", priority=priority)
    world = World(things, groups)
    if former is not None:
        world.apply(former)
    return world


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
    world = fresh(place, former)

    older, newer = world.run([ONE, NEWER], held_up(after), world.look if former else lambda: None)

    assert world.expect(ONE, NEWER) == NEWER
    assert isinstance(newer, dict)
    if isinstance(older, Fault):
        assert older.code is Code.CONFLICT
        assert "is stale: it has generation 12, and a plan with generation 13" in older.message


@pytest.mark.parametrize("former", [FORMER, None], ids=["after another plan", "first plans"])
@pytest.mark.parametrize("after", HELD_UP_AT)
def test_a_newer_plan_that_was_held_up_stays(place, former, after):
    world = fresh(place, former)

    newer, older = world.run([NEWER, ONE], held_up(after), world.look if former else lambda: None)

    assert world.expect(ONE, NEWER) == NEWER
    assert isinstance(newer, dict)
    assert isinstance(older, dict) or older.code is Code.CONFLICT


@pytest.mark.parametrize("former", [FORMER, None], ids=["after another plan", "first plans"])
@pytest.mark.parametrize("after", HELD_UP_AT)
def test_of_two_plans_of_one_age_one_stays_and_its_writer_was_told_so(place, former, after):
    world = fresh(place, former)

    ended = world.run([ONE, SAME_AGE], held_up(after), world.look if former else lambda: None)

    stays = world.expect(ONE, SAME_AGE)
    assert isinstance(ended[[ONE, SAME_AGE].index(stays)], dict)
    assert all(isinstance(each, dict) or each.code is Code.CONFLICT for each in ended)


@pytest.mark.parametrize("after", HELD_UP_AT)
def test_one_plan_that_is_applied_twice_at_once_is_there_once_and_both_are_told_so(place, after):
    world = fresh(place)

    ended = world.run([ONE, ONE], held_up(after), world.look)

    assert world.expect(ONE) == ONE
    assert all(isinstance(each, dict) for each in ended)


GOOD: Turn = "answered"
BAD: tuple[Turn, ...] = ("lost", "repeated", "killed before", "killed after")
TURNS = [GOOD] * 8 + [*BAD]
PLANS = [ONE, SAME_AGE, NEWER]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from(PLANS), min_size=2, max_size=3),
    st.booleans(),
    st.data(),
)
def test_whatever_the_order_and_whoever_dies_a_later_plan_finds_or_makes_it_whole(
    place, writers, clean, data
):
    """One of the plans stays whole, the newest of those that were said to be in force or newer."""
    world = fresh(place)

    def choose(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
        talk, action = data.draw(st.sampled_from(waiting), label="turn")
        become = GOOD if clean else data.draw(st.sampled_from(TURNS))
        note(f"{world.writers.index(talk)} {action.split(':')[1]} {become}")
        return talk, become

    ended = world.run(writers, choose, world.look)

    applied = [plan for plan, how in zip(writers, ended, strict=True) if isinstance(how, dict)]
    in_force = world.in_force(FORMER, *PLANS)
    assert all(in_force.freshness >= plan.freshness for plan in applied)
    if clean:
        assert world.expect(*writers) in applied
        assert in_force.freshness == max(plan.freshness for plan in writers)
    last = plans.read(KEPT, default("v9"), generation=14)
    assert isinstance(world.apply(last), dict)
    assert world.expect(last) == last
