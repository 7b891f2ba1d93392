"""The steps from the rules that a listener has to those of the next edition of a plan; pure.

AWS changes one rule at a time, but priorities of many at once. So the next plan is **staged**:
made behind the former one, whose default rule takes every request before it gets there, and put
in front in one step, which moves the former plan behind. A request meets one plan or the other.

A load balancer that has as many rules as it may have leaves no room for that. Its rules are
changed **in place**, in the order that does the least harm: rules that both plans have never go,
the default rule among them; pins that only the former plan has go first (their requests meet the
default a moment early), new pins are made behind and come into force with the new order in one
step; only then do rules lead to other targets, one at a time and the default last.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.providers.ecs import rules
from worker.providers.ecs.editions import FINAL, STAGING, Seen, replaced
from worker.providers.ecs.rules import Rule, Wanted


class Create(Struct, frozen=True):
    """Make a rule."""

    priority: int
    rule: Wanted


class Move(Struct, frozen=True):
    """Give rules other priorities, all at once: those in front take them by those they have."""

    moves: dict[int, int]


class Modify(Struct, frozen=True):
    """Have a rule match what another does, and lead where that leads."""

    priority: int
    rule: Wanted


class Tag(Struct, frozen=True):
    """Have a rule's tags be those of another."""

    priority: int
    rule: Wanted


class Delete(Struct, frozen=True):
    """Take a rule away."""

    priority: int


Step = Create | Move | Modify | Tag | Delete


def prepared(seen: Seen, wanted: Sequence[Wanted], start: int) -> list[Create]:
    """Make rules behind the plan in force.

    `start` is where in STAGING to look for room: who looks elsewhere meets no other writer there.
    """
    behind = max((rule.priority for rule in seen.in_force), default=0) + 1
    room = _room(len(wanted), _taken(seen), max(start, behind))
    return [Create(priority, rule) for priority, rule in zip(room, wanted, strict=True)]


def brought_forward(seen: Seen, wanted: Sequence[Wanted], made: Sequence[int], start: int) -> Move:
    """Put rules that were `made` behind in front of all that the application has otherwise.

    `start` is where in STAGING to look for room for that. Nothing is deleted: that is for when the
    new edition is known to stay.
    """
    former = _former(seen, wanted)
    # These are named, wherever they go, so that it fails if another writer took one away: first
    # plans have nothing in front, but rules that waited for their targets.
    named = [rule for rule in former if rule.waits or rule.priority not in STAGING]
    spare = _room(len(named), _taken(seen) | set(made), start)
    moves = dict(zip(made, _final(len(made), _others(seen, former)), strict=True))
    return Move(moves | {rule.priority: to for rule, to in zip(named, spare, strict=True)})


def in_place(seen: Seen, wanted: Sequence[Wanted], start: int) -> list[Step]:
    """Turn the rules that are there into the new ones, without more of them than needed."""
    former = _former(seen, wanted)
    others = _others(seen, former)
    kept = _pairs([*seen.in_force, *former], wanted)
    spare = [rule for rule in former if rule not in kept.values()]
    new = [number for number in range(len(wanted)) if number not in kept]
    created = dict(zip(new, _room(len(new), _taken(seen), start), strict=True))
    final = _final(len(wanted), others)
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
    steps += [Tag(final[number], wanted[number]) for number in sorted(kept)]
    return steps


def more_rules(steps: Iterable[Step]) -> int:
    """By how many rules a listener has more after these steps."""
    return sum(isinstance(step, Create) - isinstance(step, Delete) for step in steps)


def applied(state: Mapping[int, Wanted], step: Step) -> dict[int, Wanted]:
    """What is at which priority after a step."""
    match step:
        case Create(priority, rule):
            return {**state, priority: rule}
        case Move(moves):
            still = {at: rule for at, rule in state.items() if at not in moves}
            return still | {to: state[at] for at, to in moves.items()}
        case Modify(priority, rule):
            changed = Wanted(rule.conditions, rule.target, state[priority].tags)
            return {**state, priority: changed}
        case Tag(priority, rule):
            old = state[priority]
            return {**state, priority: Wanted(old.conditions, old.target, rule.tags)}
        case Delete(priority):
            return {at: rule for at, rule in state.items() if at != priority}


def undone(before: Mapping[int, Wanted], done: Iterable[Step]) -> list[Step]:
    """The steps back to where the others began, the last one's inverse first."""
    state = dict(before)
    inverse: list[Step] = []
    for step in done:
        inverse.append(_inverse(state, step))
        state = applied(state, step)
    return inverse[::-1]


def free(size: int, taken: frozenset[int], within: range) -> range | None:
    """The first free priorities in one piece, None where there is no such piece."""
    start = within.start
    while start + size <= within.stop:
        piece = range(start, start + size)
        last = next((priority for priority in reversed(piece) if priority in taken), None)
        if last is None:
            return piece
        start = last + 1
    return None


def _inverse(state: Mapping[int, Wanted], step: Step) -> Step:
    match step:
        case Create(priority):
            return Delete(priority)
        case Move(moves):
            return Move({to: at for at, to in moves.items()})
        case Modify(priority):
            return Modify(priority, state[priority])
        case Tag(priority):
            return Tag(priority, state[priority])
        case Delete(priority):
            return Create(priority, state[priority])


def _former(seen: Seen, wanted: Sequence[Wanted]) -> list[Rule]:
    """What the application has and will have no more, by priority."""
    return sorted([*seen.own, *replaced(seen, wanted)], key=lambda rule: rule.priority)


def _others(seen: Seen, former: list[Rule]) -> frozenset[int]:
    """The priorities that nobody gives up: those of rules that still wait, too."""
    return seen.taken | {rule.priority for rule in seen.waiting if rule not in former}


def _taken(seen: Seen) -> frozenset[int]:
    return seen.taken | {rule.priority for rule in (*seen.own, *seen.waiting)}


def _final(size: int, taken: frozenset[int]) -> range:
    place = free(size, taken, FINAL)
    if place is None:
        raise Fault(
            Code.CONFLICT, f"the listener has no {size} free priorities in a row for the plan"
        )
    return place


def _room(size: int, taken: frozenset[int], start: int) -> range:
    room = free(size, taken, range(start, STAGING.stop)) or free(size, taken, STAGING)
    if room is None:
        raise Fault(
            Code.CONFLICT,
            f"the listener has no {size} free priorities in a row from {STAGING.start} on, where "
            "plans are prepared",
        )
    return room


def _pairs(candidates: list[Rule], wanted: Sequence[Wanted]) -> dict[int, Rule]:
    """Which of the rules that are there become which of the new, by the numbers of these."""
    pairs: dict[int, Rule] = {}
    for alike in (_same, _both_default):
        for number, each in enumerate(wanted):
            unused = (rule for rule in candidates if rule not in pairs.values())
            rule = next((rule for rule in unused if alike(rule, each)), None)
            if rule is not None and number not in pairs:
                pairs[number] = rule
    return pairs


def _same(rule: Rule, wanted: Wanted) -> bool:
    return rule.conditions == wanted.conditions


def _both_default(rule: Rule, wanted: Wanted) -> bool:
    return rules.is_default(rule.conditions) and rules.is_default(wanted.conditions)


def _differs(rule: Rule, wanted: Wanted) -> bool:
    return (rule.conditions, rule.target) != (wanted.conditions, wanted.target)
