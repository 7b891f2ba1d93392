"""A listener with an application's rules, those who write them, and what must be true of them."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.population import Population
from deploy.sandbox.aws.rule_requests import create_rule
from tests.ecs.routing import listeners, plans
from tests.ecs.routing.plans import APPLICATION, CLUSTER, HOSTNAME, default, header, query
from tests.ecs.routing.turns import Talk, Turn, take_turns
from worker.provider import Call
from worker.providers.ecs import rules
from worker.providers.ecs.backends import Backend, Health
from worker.providers.ecs.editions import FINAL, Seen, see
from worker.providers.ecs.listener import Listener, Owners
from worker.providers.ecs.plan_applying import Applying
from worker.providers.ecs.plan_writing import PlanWriter
from worker.providers.ecs.route_plan import Plan
from worker.providers.ecs.rows import Rows

VERSIONS = ("v6", "v7", "v8", "v9")
KEPT = query("v6")
"""A pin of every plan here: nobody who asks for v6 may ever get anything else."""
FORMER = plans.read(KEPT, query("v7"), default("v7"), generation=11)
LONG = plans.read(
    KEPT, *map(query, VERSIONS[1:]), *map(header, VERSIONS), default("v7"), generation=11
)
ONE = plans.read(KEPT, header("v7"), default("v8"), generation=12)
SAME_AGE = plans.read(KEPT, default("v9"), generation=12)
NEWER = plans.read(KEPT, query("v8"), header("v8"), default("v9"), generation=13)
LAST = plans.read(KEPT, default("v9"), generation=14)

Choose = Callable[[list[tuple[Talk, str]]], tuple[Talk, Turn]]
GOOD: Turn = "answered"
BAD: tuple[Turn, ...] = ("lost", "repeated", "killed before", "killed after")


def first(waiting: list[tuple[Talk, str]]) -> tuple[Talk, Turn]:
    """Whoever came first is answered."""
    return waiting[0][0], GOOD


class World:
    """A listener with an application's rules, and those who write them."""

    def __init__(self, things: Population, groups: dict[str, str]) -> None:
        self.things = things
        self.groups = groups
        self.writers: list[Talk] = []
        self.looks = 0

    def applying(self, talk: Talk, plan: Plan, seed: int) -> Coroutine[Any, Any, Any]:
        assert self.things.listener_arn is not None
        # As much of a conversation as a listener needs.
        listener = Listener(talk, self.things.listener_arn, APPLICATION, CLUSTER, Owners())  # type: ignore[arg-type]  # it has the methods
        call = Call.within(60)
        writer = PlanWriter(listener, call, Rows(), 0, random.Random(seed))
        found = {
            pin.service: Backend(self.groups[pin.version], (Health("healthy"),))
            for pin in plan.pins
        }

        async def look() -> dict[str, Backend]:
            return found

        return Applying(listener, writer, plan, found, CLUSTER, look, 0).run(call)

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


class Place:
    """The account that worlds are made in, one after the other."""

    def __init__(self, things: Population) -> None:
        self._things = things
        self._groups = {
            version: things.add_target_group(f"orders-{version}") for version in VERSIONS
        }

    def world(self, former: Plan | None = FORMER, strangers: Iterable[int] = ()) -> World:
        """One with a plan in force, or with rules that wait for the first one.

        `strangers` are the priorities of rules of others.
        """
        listeners.clear(self._things.account)
        for priority in strangers:
            self._things.add_rule(self._groups["v6"], host="other.example.org", priority=priority)
        world = World(self._things, self._groups)
        if former is not None:
            world.apply(former)
        else:
            self._wait()
        return world

    def _wait(self) -> None:
        marks = rules.marks(APPLICATION, CLUSTER)
        for number, (version, group) in enumerate(self._groups.items()):
            waiting = rules.waiting(f"orders-{version}", group, None, marks)
            asked = {
                "ListenerArn": self._things.listener_arn,
                "Priority": 49_990 + number,
                "Conditions": rules.conditions(waiting.conditions),
                "Actions": rules.actions(group),
                "Tags": rules.tag_list(waiting.tags),
            }
            create_rule(self._things.account, asked)


@contextmanager
def opened() -> Iterator[Place]:
    """A place for worlds, until the context is left."""
    things = Population(Account("eu-central-1"))
    things.add_listener()
    try:
        yield Place(things)
    finally:
        things.account.forget()
