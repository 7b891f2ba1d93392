"""The steps from the present rules of a listener to the rule set of the next plan; pure.

AWS changes one rule at a time, but the priorities of many at once. So the next plan is **staged**:
its rules are made behind those of the former plan, whose default rule takes every request, and one
step swaps both. A request meets one plan or the other.

A load balancer at its limit of rules has no room for that. Its rules are changed **in place**, in
the order that does the least harm: rules that both plans have are never deleted, the default rule
among them; pins of the former plan alone are deleted first (their requests meet the default rule a
moment early); new pins are made behind and come into force with the new order in one step; then
rules get their new targets, one at a time and the default rule last.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.providers.ecs.elb import rules
from worker.providers.ecs.elb.rules import Rule, RuleSpec
from worker.providers.ecs.routes.rule_sets import FINAL, STAGING, ListenerState, replaced


class Create(Struct, frozen=True):
    """Make a rule."""

    priority: int
    rule: RuleSpec


class Move(Struct, frozen=True):
    """Give rules other priorities, all at once; keys are the present ones."""

    moves: dict[int, int]


class Modify(Struct, frozen=True):
    """Give a rule the conditions and the target of another."""

    priority: int
    rule: RuleSpec


class Tag(Struct, frozen=True):
    """Give a rule the tags of another."""

    priority: int
    rule: RuleSpec


class Delete(Struct, frozen=True):
    """Delete a rule."""

    priority: int


Step = Create | Move | Modify | Tag | Delete


def prepared(before: ListenerState, wanted: Sequence[RuleSpec], start: int) -> list[Create]:
    """Return the steps that create rules behind the plan in force.

    `start` is the first priority of STAGING that is tried.
    """
    behind = max((rule.priority for rule in before.in_force), default=0) + 1
    room = _room(len(wanted), _taken(before), max(start, behind))
    return [Create(priority, rule) for priority, rule in zip(room, wanted, strict=True)]


def brought_forward(
    before: ListenerState, wanted: Sequence[RuleSpec], made: Sequence[int], start: int
) -> Move:
    """Return the move that puts the rules at `made` in front, and the former rules behind.

    `start` is the first priority of STAGING that is tried. Nothing is deleted: the former plan is
    needed until the new one is known to be whole.
    """
    old = former(before, wanted)
    in_front = [rule for rule in old if rule.priority not in STAGING]
    spare = _room(len(in_front), _taken(before) | set(made), start)
    moves = dict(zip(made, _final(len(made), _others(before, old)), strict=True))
    return Move(moves | {rule.priority: to for rule, to in zip(in_front, spare, strict=True)})


def in_place(
    before: ListenerState,
    wanted: Sequence[RuleSpec],
    start: int,
    final: Sequence[int] | None = None,
) -> list[Step]:
    """Return the steps from the present to the new rules, with as few additional rules as possible.

    `final` are the priorities of the new rules, by default the first free ones.
    """
    old = former(before, wanted)
    kept = _pairs([*before.in_force, *old], wanted)
    spare = [rule for rule in old if rule not in kept.values()]
    new = [number for number in range(len(wanted)) if number not in kept]
    created = dict(zip(new, _room(len(new), _taken(before), start), strict=True))
    final = final or _final(len(wanted), _others(before, old))
    present = {number: rule.priority for number, rule in kept.items()} | created
    moves = {
        present[number]: priority
        for number, priority in enumerate(final)
        if present[number] != priority
    }
    steps: list[Step] = [Delete(rule.priority) for rule in reversed(spare)]
    steps += [Create(priority, wanted[number]) for number, priority in created.items()]
    if moves:
        steps.append(Move(moves))
    changed = [number for number, rule in kept.items() if _differs(rule, wanted[number])]
    changed.sort(key=lambda number: rules.is_default(wanted[number].conditions))
    steps += [Modify(final[number], wanted[number]) for number in changed]
    tagged = [number for number in sorted(kept) if kept[number].tags != wanted[number].tags]
    steps += [Tag(final[number], wanted[number]) for number in tagged]
    return steps


def former(before: ListenerState, wanted: Sequence[RuleSpec]) -> list[Rule]:
    """Return the rules that new ones replace, by priority."""
    return sorted([*before.own, *replaced(before, wanted)], key=lambda rule: rule.priority)


def more_rules(steps: Iterable[Step]) -> int:
    """Return by how many rules these steps increase the number of rules."""
    return sum(isinstance(step, Create) - isinstance(step, Delete) for step in steps)


def free(size: int, taken: frozenset[int], within: range) -> range | None:
    """Return the first range of `size` free priorities, or None."""
    start = within.start
    while start + size <= within.stop:
        piece = range(start, start + size)
        last = next((priority for priority in reversed(piece) if priority in taken), None)
        if last is None:
            return piece
        start = last + 1
    return None


def _others(before: ListenerState, old: list[Rule]) -> frozenset[int]:
    """The priorities of rules that stay."""
    return before.taken | {rule.priority for rule in before.placeholders if rule not in old}


def _taken(before: ListenerState) -> frozenset[int]:
    return before.taken | {rule.priority for rule in (*before.own, *before.placeholders)}


def _final(size: int, taken: frozenset[int]) -> range:
    place = free(size, taken, FINAL)
    if place is None:
        raise Fault(
            Code.CONFLICT, f"the listener has no {size} consecutive free priorities for the plan"
        )
    return place


def _room(size: int, taken: frozenset[int], start: int) -> range:
    room = free(size, taken, range(start, STAGING.stop)) or free(size, taken, STAGING)
    if room is None:
        raise Fault(
            Code.CONFLICT,
            f"the listener has no {size} consecutive free priorities from {STAGING.start} on, "
            "where plans are prepared",
        )
    return room


def _pairs(candidates: list[Rule], wanted: Sequence[RuleSpec]) -> dict[int, Rule]:
    """The present rules that become new ones, by the numbers of the new ones."""
    pairs: dict[int, Rule] = {}
    for alike in (_same, _both_default):
        for number, each in enumerate(wanted):
            unused = (rule for rule in candidates if rule not in pairs.values())
            rule = next((rule for rule in unused if alike(rule, each)), None)
            if rule is not None and number not in pairs:
                pairs[number] = rule
    return pairs


def _same(rule: Rule, wanted: RuleSpec) -> bool:
    return rule.conditions == wanted.conditions


def _both_default(rule: Rule, wanted: RuleSpec) -> bool:
    return rules.is_default(rule.conditions) and rules.is_default(wanted.conditions)


def _differs(rule: Rule, wanted: RuleSpec) -> bool:
    return (rule.conditions, rule.target) != (wanted.conditions, wanted.target)
