"""A listener of the stand-in without HTTP: applies plans and checks the invariants of its rules."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from contracts.faults import Fault
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.population import Population
from deploy.sandbox.aws.rule_requests import create_rule, delete_rule
from tests.ecs.routes import listeners, plans
from tests.ecs.routes.interrupted_client import Choose, InterruptedClient, answered
from tests.ecs.routes.plans import APPLICATION, CLUSTER, HOSTNAME, default, header, query
from worker.provider import Call
from worker.providers.ecs.aws import tags
from worker.providers.ecs.elb import placeholder_rule, rules
from worker.providers.ecs.elb.listener import Listener, Owners
from worker.providers.ecs.elb.rules import RuleSpec
from worker.providers.ecs.routes import rule_sets
from worker.providers.ecs.routes.backends import Backend, Health
from worker.providers.ecs.routes.reconcile import Reconciliation
from worker.providers.ecs.routes.route_plan import Plan
from worker.providers.ecs.routes.rule_sets import FINAL, ListenerState
from worker.providers.ecs.routes.writer import Writer

VERSIONS = ("v6", "v7", "v8", "v9")
KEPT = query("v6")
"""A pin of every plan here: a request for v6 is never routed to another version."""
FORMER = plans.read(KEPT, query("v7"), default("v7"), generation=11)
ONE = plans.read(KEPT, header("v7"), default("v8"), generation=12)
NEWER = plans.read(KEPT, query("v8"), header("v8"), default("v9"), generation=13)
LAST = plans.read(KEPT, default("v9"), generation=14)
TAGS_OF_OTHERS = {
    "plt.dev/managed-by",
    "plt.dev/application",
    "plt.dev/version",
    "plt.dev/plan-generation",
}
"""The tags of rules of older implementations."""


class SimulatedListener:
    """A listener with the rules of an application."""

    def __init__(self, sandbox: Population, groups: dict[str, str]) -> None:
        self.sandbox = sandbox
        self.groups = groups
        self._writes = 0

    def apply(
        self, plan: Plan, choose: Choose = answered, after: Callable[[], None] = lambda: None
    ) -> Any:
        """Apply a plan; return the answer, the fault, or None if the writer was killed."""
        self._writes += 1

        async def applied() -> Any:
            assert self.sandbox.listener_arn is not None
            client = InterruptedClient(self.sandbox.account, choose, after)
            listener = Listener(client, self.sandbox.listener_arn, APPLICATION, CLUSTER, Owners())  # type: ignore[arg-type]  # it has the methods
            call = Call.within(60)
            writer = Writer(listener, call, {}, 0, random.Random(self._writes))
            found = {
                pin.service: Backend(self.groups[pin.version], (Health("healthy"),))
                for pin in plan.pins
            }

            async def look() -> dict[str, Backend]:
                return found

            return await Reconciliation(listener, writer, plan, found, look, 0).run(call)

        try:
            return asyncio.run(applied())
        except Fault as fault:
            return fault
        except asyncio.CancelledError:
            return None

    def apply_outside(self, plan: Plan) -> None:
        """Apply a plan as an older implementation does: delete all rules, then create its own."""
        found = self.state()
        for rule in (*found.own, *found.placeholders):
            delete_rule(self.sandbox.account, {"RuleArn": rule.arn})
        self.add_outside(plan)

    def add_outside(self, plan: Plan) -> None:
        """Create the rules of a plan without rule set names, at the lowest free priorities."""
        taken = listeners.present_in(self.sandbox.account).keys()
        free = (priority for priority in FINAL if priority not in taken)
        for priority, each in zip(free, plans.rule_set(plan), strict=False):
            target = self.groups[each.tags["plt.dev/version"]]
            kept = {key: each.tags[key] for key in each.tags.keys() & TAGS_OF_OTHERS}
            self.create(priority, RuleSpec(each.conditions, target, kept))

    def create(self, priority: int, wanted: RuleSpec) -> None:
        asked = {
            "ListenerArn": self.sandbox.listener_arn,
            "Priority": priority,
            "Conditions": rules.conditions(wanted.conditions),
            "Actions": rules.actions(wanted.target),
            "Tags": tags.pascal(wanted.tags),
        }
        create_rule(self.sandbox.account, asked)

    def state(self) -> ListenerState:
        found = listeners.present_in(self.sandbox.account).values()
        return rule_sets.state(found, APPLICATION, CLUSTER)

    def answer(self, **asked: str) -> str | None:
        state = listeners.present_in(self.sandbox.account)
        found = plans.answer(state, HOSTNAME, **asked)
        return None if found is None else found.split("/")[-2]

    def expect_service(self) -> None:
        """Assert that a request for v6 is routed to it, and any other request to some version."""
        assert self.answer(dpl="v6") == "orders-v6"
        assert self.answer() is not None

    def expect_plan(self, plan: Plan) -> None:
        """Assert that the rules of the application are those of a plan."""
        [found] = self.state().rule_sets
        assert found.is_whole
        assert all(rule.priority in FINAL for rule in found.rules)
        assert [listeners.brief(rule) for rule in found.rules] == self._brief(plan)

    def in_force(self, *possible: Plan) -> Plan:
        """Return the plan in force, one of the possible plans."""
        here = [listeners.brief(rule) for rule in self.state().in_force]
        return next(plan for plan in possible if self._brief(plan) == here)

    def _brief(self, plan: Plan) -> list[str]:
        return [listeners.brief(each) for each in plans.rule_set(plan)]


class SimulatedAccount:
    """An account with one listener, which is reset for each test."""

    def __init__(self, sandbox: Population) -> None:
        self._sandbox = sandbox
        self._groups = {
            version: sandbox.add_target_group(f"orders-{version}") for version in VERSIONS
        }

    def listener(
        self, former: Plan | None = FORMER, foreign: Iterable[int] = ()
    ) -> SimulatedListener:
        """Reset the listener to a plan in force, or to placeholder rules alone.

        `foreign` are the priorities of rules of other applications.
        """
        listeners.clear(self._sandbox.account)
        for priority in foreign:
            self._sandbox.add_rule(self._groups["v6"], host="other.example.org", priority=priority)
        listener = SimulatedListener(self._sandbox, self._groups)
        if former is not None:
            listener.apply(former)
        else:
            self._add_placeholders(listener)
        return listener

    def _add_placeholders(self, listener: SimulatedListener) -> None:
        marks = rules.marks(APPLICATION, CLUSTER)
        for number, (version, group) in enumerate(self._groups.items()):
            listener.create(
                49_990 + number, placeholder_rule.spec(f"orders-{version}", group, marks)
            )


@contextmanager
def opened() -> Iterator[SimulatedAccount]:
    """Open a simulated account until the context is left."""
    sandbox = Population(Account("eu-central-1"))
    sandbox.add_listener()
    try:
        yield SimulatedAccount(sandbox)
    finally:
        sandbox.account.forget()
