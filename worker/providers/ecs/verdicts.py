"""Tells from the listener alone what became of an edition, and what is to be done next; pure."""

from collections.abc import Iterable

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.providers.ecs.editions import Draft, Edition, Seen, replaced, stale
from worker.providers.ecs.route_plan import Plan
from worker.providers.ecs.rules import Rule


class Settled(Struct, frozen=True):
    """The edition is in force and stays.

    `rest` is what is left of lesser ones; those of the `unfinished` are not all there yet, and may
    come into force as long as their writers find the rules that they saw in front.
    """

    rest: list[Rule]
    unfinished: list[Rule]


class Overtaken(Struct, frozen=True):
    """A greater edition is in force."""

    by: Edition


class Broken(Struct, frozen=True):
    """It is not in force, or not whole: somebody took rules of it away, or changed them."""


def unchanged(seen: Seen, draft: Draft) -> Settled | None:
    """What is left of other editions where the plan is in force already, else None."""
    present = seen.editions
    first = next((edition for edition in present if edition.is_whole), None)
    if first is None or first.is_staged or not first.says(draft):
        return None
    others = [edition for edition in present if edition is not first]
    is_greatest = all(edition.order < first.order for edition in others)
    is_tied = not any(each.waits for each in draft.rules)
    if first.freshness != draft.freshness or not (is_greatest and is_tied):
        return None
    return _settled(seen, others, draft)


def judge(before: Seen, now: Seen, draft: Draft) -> Settled | Overtaken | Broken:
    """What became of an edition after it was written: to be asked once all of it is in force.

    Of two writers the one who looks later sees the other's edition in force, and both come to the
    same end: the greater one deletes the lesser, which leaves of its own accord if it can.
    """
    mine = next((each for each in now.editions if each.name == draft.name), None)
    others = [each for each in now.editions if each.name != draft.name]
    found = {rule.arn for rule in before.own}
    for other in sorted(others, key=lambda each: each.order, reverse=True):
        # What this writer moved away itself was in force before, and may be greater only now.
        in_force = not other.is_staged or any(rule.arn in found for rule in other.rules)
        if other.order > draft.order and other.is_whole and in_force:
            return Overtaken(other)
    if mine is None or mine.is_staged or not mine.says(draft):
        return Broken()
    return _settled(now, [each for each in others if each.order < draft.order], draft)


def _settled(seen: Seen, lesser: Iterable[Edition], draft: Draft) -> Settled:
    rest = replaced(seen, draft.rules)
    unfinished: list[Rule] = []
    for edition in lesser:
        part = unfinished if edition.is_staged and not edition.is_whole else rest
        part.extend(edition.rules)
    return Settled(rest, unfinished)


def overtaken(plan: Plan, by: Edition) -> Fault:
    """The fault of a plan that another one was preferred to while it was applied."""
    if by.freshness > plan.freshness:
        return stale(plan, by.freshness)
    return Fault(
        Code.CONFLICT,
        f'another plan for "{plan.application}" with {by.freshness} was applied at the same time, '
        "and that one is in force",
    )
