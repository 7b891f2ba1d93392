"""The route plans that a listener has rules of, whole or in part, and which of them counts; pure.

Each time a plan is written its rules carry a new **edition**: a number greater than those of all
editions that the writer saw, and a few random digits. Editions are ordered by how new their plan
is, then by that number, then by the digits. Whoever saw another's edition before it wrote its own
is therefore the greater of the two, and both can tell from the listener alone which one stays.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec
from msgspec import Struct

from contracts import route_plan as neutral
from contracts.faults import Fault
from contracts.route_plan import Freshness, freshness, text
from worker.providers.ecs import ownership, rules
from worker.providers.ecs.route_plan import Pin, Plan
from worker.providers.ecs.rules import SERVICE, Rule, Wanted

GENERATION = "plt.dev/plan-generation"
EMITTED_AT = "plt.dev/plan-emitted-at"
EDITION = "plt.dev/plan-edition"
SIZE = "plt.dev/plan-rules"

FINAL = range(2, 49_001)
"""The priorities that plans are in force at; 1 stays free for what operators put before all."""
STAGING = range(49_001, 50_001)
"""Those behind, where the next plan is prepared and the former one waits for its end."""


class Edition(Struct, frozen=True, dict=True):
    """The rules of one edition that are there, by priority; without a name the first ones."""

    name: str
    rules: tuple[Rule, ...]

    @cached_property
    def freshness(self) -> Freshness:
        """How new its plan is."""
        return max(_freshness(rule.tags) for rule in self.rules)

    @cached_property
    def order(self) -> tuple[Freshness, int, str]:
        """What it is compared by."""
        return (self.freshness, number(self.name), self.name)

    @cached_property
    def is_whole(self) -> bool:
        """Whether none of its rules is missing; those without a name do not say."""
        return not self.name or all(
            rule.tags.get(SIZE) == str(len(self.rules)) for rule in self.rules
        )

    @cached_property
    def is_staged(self) -> bool:
        """Whether it has never been moved to where plans are in force."""
        return all(rule.priority in STAGING for rule in self.rules)

    def says(self, draft: "Draft") -> bool:
        """Whether it is whole and its rules are those of the draft, in their order."""
        return self.is_whole and [_meaning(rule) for rule in self.rules] == [
            _meaning(each) for each in draft.rules if not each.waits
        ]


class Draft(Struct, frozen=True):
    """An edition to be written: its rules in order, after them those that match nothing."""

    name: str
    rules: tuple[Wanted, ...]
    freshness: Freshness

    @property
    def order(self) -> tuple[Freshness, int, str]:
        """What it will be compared by."""
        return (self.freshness, number(self.name), self.name)


class Seen(Struct, frozen=True):
    """A listener as one application finds it.

    `own` are the rules of its plans and `waiting` those that match nothing, by priority; `taken`
    are the priorities of everybody else's rules, and `foreign` the ARNs of those.
    """

    own: tuple[Rule, ...]
    waiting: tuple[Rule, ...]
    taken: frozenset[int]
    foreign: frozenset[str]

    @property
    def known(self) -> dict[str, Mapping[str, str]]:
        """The tags of the rules by their ARNs, none of those of others."""
        own = {rule.arn: rule.tags for rule in (*self.own, *self.waiting)}
        return {arn: {} for arn in self.foreign} | own

    def without(self, edition: str) -> "Seen":
        """The same as if an edition was not there."""
        own = tuple(rule for rule in self.own if rule.tags.get(EDITION) != edition)
        waiting = tuple(rule for rule in self.waiting if rule.tags.get(EDITION) != edition)
        return Seen(own, waiting, self.taken, self.foreign)

    def besides(self, priorities: frozenset[int]) -> "Seen":
        """The same as if others had these priorities as well."""
        return Seen(self.own, self.waiting, self.taken | priorities, self.foreign)

    @property
    def editions(self) -> list[Edition]:
        """By the priority of their first rules, first the one that requests meet first."""
        found: dict[str, list[Rule]] = {}
        for rule in self.own:
            found.setdefault(rule.tags.get(EDITION, ""), []).append(rule)
        return [Edition(name, tuple(own)) for name, own in found.items()]

    @property
    def in_force(self) -> tuple[Rule, ...]:
        """The plan that requests meet, by priority; none where no plan is whole."""
        whole = (edition.rules for edition in self.editions if edition.is_whole)
        return next(whole, None) or self._until_default()

    def _until_default(self) -> tuple[Rule, ...]:
        for number, rule in enumerate(self.own, 1):
            if rules.is_default(rule.conditions):
                return self.own[:number]
        return ()


def see(found: Iterable[Rule], application: str, cluster: str) -> Seen:
    """Tell the rules of an application from all others."""
    ordered = sorted(found, key=lambda rule: rule.priority)
    mine = [rule for rule in ordered if rules.is_owned(rule.tags, application, cluster)]
    others = [rule for rule in ordered if rule not in mine]
    return Seen(
        tuple(rule for rule in mine if not rule.waits),
        tuple(rule for rule in mine if rule.waits),
        frozenset(rule.priority for rule in others),
        frozenset(rule.arn for rule in others),
    )


def draft(
    plan: Plan,
    targets: Mapping[str, str],
    absent: Mapping[str, str],
    seen: Seen,
    cluster: str,
    digits: str,
) -> Draft:
    """The next edition, greater than those that were seen unless their plans are newer.

    `targets` are the target groups of services that can serve; those of `absent` cannot, so their
    pins are left out. A group that no other rule leads to gets one that keeps its health checked.
    """
    highest = max((number(edition.name) for edition in seen.editions), default=0)
    name = f"{highest + 1}-{digits}"
    served = [pin for pin in plan.pins if pin.service in targets]
    marks = rules.marks(plan.application, cluster) | {EDITION: name}
    known = {GENERATION: plan.generation, EMITTED_AT: plan.emitted_at}
    stamps = {key: text(value) for key, value in known.items() if value is not None}
    stamps[SIZE] = str(len(served))
    tied = {rule.target for rule in seen.waiting}
    untied = {
        pin.service: pin for pin in plan.pins if absent.get(pin.service, "") not in {"", *tied}
    }
    made = [
        Wanted(pin.conditions, targets[pin.service], marks | stamps | _backend(pin))
        for pin in served
    ]
    made += [
        rules.waiting(service, absent[service], plan.hostname, marks | _backend(pin))
        for service, pin in untied.items()
    ]
    return Draft(name, tuple(made), plan.freshness)


def number(name: str) -> int:
    """The number of an edition, 0 where its name is none of ours."""
    digits = name.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() else 0


def refuse_older(seen: Seen, plan: Plan) -> None:
    """Raise where an owned rule is of a newer plan; the same again is welcome."""
    newest = max((edition.freshness for edition in seen.editions), default=Freshness())
    if plan.freshness < newest:
        raise stale(plan, newest)


def stale(plan: Plan, newest: Freshness) -> Fault:
    """The fault of a plan that came too late."""
    return neutral.stale(plan.application, plan.freshness, newest)


def replaced(seen: Seen, wanted: Iterable[Wanted]) -> list[Rule]:
    """The rules that waited for one of these to come."""
    targets = {each.target for each in wanted if not each.waits}
    return [rule for rule in seen.waiting if rule.target in targets]


def _backend(pin: Pin) -> dict[str, str]:
    return {SERVICE: pin.named, ownership.VERSION: pin.version}


def _meaning(rule: Wanted) -> tuple[object, ...]:
    tags = rule.tags
    return (rule.conditions, rule.target, tags.get(SERVICE), tags.get(ownership.VERSION))


def _freshness(tags: Mapping[str, str]) -> Freshness:
    return freshness(_number(tags, GENERATION), _number(tags, EMITTED_AT))


def _number(tags: Mapping[str, str], key: str) -> float | int | None:
    try:
        return msgspec.json.decode(tags.get(key, ""), type=float | int)
    except msgspec.DecodeError:
        return None
