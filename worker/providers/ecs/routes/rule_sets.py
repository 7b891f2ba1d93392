"""The rule sets of an application's route plans on a listener, and their comparison; pure.

Each write of a plan gives its rules a new name in the tag RULE_SET, which distinguishes the rules
of an interrupted write from those of the plan in force.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec
from msgspec import Struct

from contracts.neutral import route_plan as neutral
from contracts.neutral.route_plan import Freshness, freshness, text
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.elb import placeholder_rule, rules
from worker.providers.ecs.elb.rules import SERVICE, Rule, RuleSpec
from worker.providers.ecs.routes.route_plan import Pin, Plan

GENERATION = "plt.dev/plan-generation"
EMITTED_AT = "plt.dev/plan-emitted-at"
RULE_SET = "plt.dev/plan-edition"
SIZE = "plt.dev/plan-rules"

FINAL = range(2, 49_001)
"""The priorities of plans in force; 1 stays free for a rule of the operators in front of all."""
STAGING = range(49_001, 50_001)
"""The priorities behind, for the next plan before the swap and the former plan after it."""


class RuleSet(Struct, frozen=True, dict=True):
    """The rules of one write, by priority. Rules of writers without rule sets have the name ""."""

    name: str
    rules: tuple[Rule, ...]

    @cached_property
    def freshness(self) -> Freshness:
        """The freshness of the plan."""
        return max(_freshness(rule.tags) for rule in self.rules)

    @cached_property
    def is_whole(self) -> bool:
        """True if no rule is missing; a rule set without a name counts as whole."""
        return not self.name or all(
            rule.tags.get(SIZE) == str(len(self.rules)) for rule in self.rules
        )

    @cached_property
    def is_staged(self) -> bool:
        """True if the rule set was never moved to the priorities of plans in force."""
        return all(rule.priority in STAGING for rule in self.rules)

    def matches(self, draft: "Draft") -> bool:
        """Return whether the rule set is whole and has the rules of the draft, in their order."""
        return self.is_whole and [_comparable(rule) for rule in self.rules] == [
            _comparable(each) for each in draft.rules if not each.is_placeholder
        ]


class Draft(Struct, frozen=True):
    """A rule set to be written: the rules of the plan in order, then placeholder rules."""

    name: str
    rules: tuple[RuleSpec, ...]
    freshness: Freshness


class ListenerState(Struct, frozen=True):
    """The rules of a listener, grouped for one application.

    `own` are the rules of its plans and `placeholders` its placeholder rules, by priority; `taken`
    are the priorities of all other rules.
    """

    own: tuple[Rule, ...]
    placeholders: tuple[Rule, ...]
    taken: frozenset[int]

    def without(self, name: str) -> "ListenerState":
        """Return the state as if the rule set of this name was absent."""
        own = tuple(rule for rule in self.own if rule.tags.get(RULE_SET) != name)
        placeholders = tuple(rule for rule in self.placeholders if rule.tags.get(RULE_SET) != name)
        return ListenerState(own, placeholders, self.taken)

    def besides(self, priorities: frozenset[int]) -> "ListenerState":
        """Return the state as if others had these priorities as well."""
        return ListenerState(self.own, self.placeholders, self.taken | priorities)

    @property
    def rule_sets(self) -> list[RuleSet]:
        """The rule sets by the priority of their first rules."""
        found: dict[str, list[Rule]] = {}
        for rule in self.own:
            found.setdefault(rule.tags.get(RULE_SET, ""), []).append(rule)
        return [RuleSet(name, tuple(own)) for name, own in found.items()]

    @property
    def in_force(self) -> tuple[Rule, ...]:
        """The rules that requests meet, by priority; empty if no plan is whole."""
        whole = (each.rules for each in self.rule_sets if each.is_whole)
        return next(whole, None) or self._until_default()

    @property
    def freshness(self) -> Freshness:
        """The freshness of the newest plan."""
        return max((each.freshness for each in self.rule_sets), default=Freshness())

    def _until_default(self) -> tuple[Rule, ...]:
        for number, rule in enumerate(self.own, 1):
            if rules.is_default(rule.conditions):
                return self.own[:number]
        return ()


class Complete(Struct, frozen=True):
    """The draft is in force; `rest` are the rules that it replaces."""

    rest: list[Rule]


class Incomplete(Struct, frozen=True):
    """Rules are not as they were written.

    `foreign` are rules of the application that another writer made meanwhile. `is_whole` is true if
    all rules of the draft are there nevertheless, at the priorities of plans in force.
    """

    foreign: list[Rule]
    is_whole: bool


def state(found: Iterable[Rule], application: str, cluster: str) -> ListenerState:
    """Return the state of a listener with these rules for an application."""
    ordered = sorted(found, key=lambda rule: rule.priority)
    mine = [rule for rule in ordered if rules.is_owned(rule.tags, application, cluster)]
    return ListenerState(
        tuple(rule for rule in mine if not rule.is_placeholder),
        tuple(rule for rule in mine if rule.is_placeholder),
        frozenset(rule.priority for rule in ordered if rule not in mine),
    )


def draft(
    plan: Plan,
    targets: Mapping[str, str],
    absent: Mapping[str, str],
    before: ListenerState,
    cluster: str,
    name: str,
) -> Draft:
    """Return the rule set of a plan.

    `targets` are the target groups of services that can serve. Pins of services in `absent` are
    left out; a target group of those without a placeholder rule gets one, because ELB checks the
    health of a target group only if a rule forwards to it.
    """
    served = [pin for pin in plan.pins if pin.service in targets]
    marks = rules.marks(plan.application, cluster) | {RULE_SET: name}
    known = {GENERATION: plan.generation, EMITTED_AT: plan.emitted_at}
    stamps = {key: text(value) for key, value in known.items() if value is not None}
    stamps[SIZE] = str(len(served))
    with_placeholder = {rule.target for rule in before.placeholders}
    without_placeholder = {
        pin.service: pin
        for pin in plan.pins
        if absent.get(pin.service, "") not in {"", *with_placeholder}
    }
    made = [
        RuleSpec(pin.conditions, targets[pin.service], marks | stamps | _backend(pin))
        for pin in served
    ]
    made += [
        placeholder_rule.spec(service, absent[service], marks | _backend(pin))
        for service, pin in without_placeholder.items()
    ]
    return Draft(name, tuple(made), plan.freshness)


def refuse_older(found: ListenerState, plan: Plan) -> None:
    """Raise `conflict` if the listener has a rule of a newer plan."""
    if plan.freshness < found.freshness:
        raise neutral.stale(plan.application, plan.freshness, found.freshness)


def unchanged(found: ListenerState, draft: Draft) -> list[Rule] | None:
    """Return the rules to delete if the draft is in force already, otherwise None."""
    first = next((each for each in found.rule_sets if each.is_whole), None)
    if first is None or first.is_staged or not first.matches(draft):
        return None
    if first.freshness != draft.freshness or any(each.is_placeholder for each in draft.rules):
        return None
    return _rest(found, first.name, draft)


def compare(before: ListenerState, now: ListenerState, draft: Draft) -> Complete | Incomplete:
    """Compare a listener after the write of a draft with what it should be.

    Unknown rules in STAGING are no sign of another writer: a request of a worker that was killed
    may have arrived late.
    """
    mine = next((each for each in now.rule_sets if each.name == draft.name), None)
    known = {rule.arn for rule in (*before.own, *(mine.rules if mine else ()))}
    foreign = [rule for rule in now.own if rule.arn not in known and rule.priority in FINAL]
    is_whole = mine is not None and not mine.is_staged and mine.matches(draft)
    if foreign or not is_whole:
        return Incomplete(foreign, is_whole)
    return Complete(_rest(now, draft.name, draft))


def replaced(found: ListenerState, wanted: Iterable[RuleSpec]) -> list[Rule]:
    """Return the placeholder rules whose target groups these rules forward to."""
    targets = {each.target for each in wanted if not each.is_placeholder}
    return [rule for rule in found.placeholders if rule.target in targets]


def _rest(found: ListenerState, name: str, draft: Draft) -> list[Rule]:
    """The rules of other rule sets, and the placeholder rules that the draft replaces."""
    return [*found.without(name).own, *replaced(found, draft.rules)]


def _backend(pin: Pin) -> dict[str, str]:
    return {SERVICE: pin.named, ownership.VERSION: pin.version}


def _comparable(rule: RuleSpec) -> tuple[object, ...]:
    tags = rule.tags
    return (rule.conditions, rule.target, tags.get(SERVICE), tags.get(ownership.VERSION))


def _freshness(tags: Mapping[str, str]) -> Freshness:
    return freshness(_number(tags, GENERATION), _number(tags, EMITTED_AT))


def _number(tags: Mapping[str, str], key: str) -> float | int | None:
    try:
        return msgspec.json.decode(tags.get(key, ""), type=float | int)
    except msgspec.DecodeError:
        return None
