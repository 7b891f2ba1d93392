"""The steps from one route plan to the next."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faults import Code, Fault
from tests.ecs.routes import plans
from tests.ecs.routes.plans import HOSTNAME, default, foreign_rule, header, query
from worker.providers.ecs.elb import placeholder_rule, rules
from worker.providers.ecs.elb.rules import Rule, RuleSpec
from worker.providers.ecs.routes import steps as steps_of
from worker.providers.ecs.routes.route_plan import Plan
from worker.providers.ecs.routes.rule_sets import FINAL, STAGING, ListenerState
from worker.providers.ecs.routes.steps import Create, Delete, Modify, Move, Step, Tag

START = 49_100
VERSIONS = ["v1", "v2", "v3"]
REQUESTS = [
    {},
    *({"dpl": version} for version in VERSIONS),
    *({"x_deployment_id": version} for version in VERSIONS),
]


@st.composite
def plans_of(draw: st.DrawFn, hosts: st.SearchStrategy[str]) -> Plan:
    makers = draw(
        st.lists(
            st.sampled_from([(make, v) for make in (query, header) for v in VERSIONS]),
            unique=True,
            max_size=5,
        )
    )
    pins = [make(version) for make, version in makers]
    last = draw(st.sampled_from(VERSIONS))
    return plans.read(*pins, default(last), hostname=draw(hosts))


same_host = plans_of(st.just(HOSTNAME))
any_host = plans_of(st.sampled_from([HOSTNAME, "shop.example.org"]))


@st.composite
def listeners(draw: st.DrawFn, former: st.SearchStrategy[Plan]) -> list[Rule]:
    """Foreign rules, a plan in force, and rules of an interrupted write."""
    taken = draw(st.lists(st.integers(2, 30), unique=True, max_size=8))
    theirs = [foreign_rule(priority) for priority in taken]
    own = plans.rule_set(draw(former))
    place = steps_of.free(len(own), frozenset(taken), FINAL)
    assert place is not None
    in_force = plans.placed(own, place.start)
    left = plans.placed(plans.rule_set(draw(former), "2-b")[: draw(st.integers(0, 2))], 49_500)
    return [*theirs, *in_force, *left]


def staged(seen: ListenerState, wanted: list[RuleSpec], start: int) -> list[Step]:
    creates = steps_of.prepared(seen, wanted, start)
    made = [step.priority for step in creates]
    return [*creates, steps_of.brought_forward(seen, wanted, made, start)]


def state_of(found: list[Rule]) -> dict[int, RuleSpec]:
    return {rule.priority: RuleSpec(rule.conditions, rule.target, rule.tags) for rule in found}


def states(state: Mapping[int, RuleSpec], steps: list[Step]) -> Iterator[dict[int, RuleSpec]]:
    """Yield the rules after each step, and assert that AWS would accept the step."""
    now = dict(state)
    yield now
    for step in steps:
        match step:
            case Create(priority, _):
                assert priority not in now
            case Move(moves):
                assert moves.keys() <= now.keys()
                assert len(set(moves.values())) == len(moves)
                assert not (now.keys() - moves.keys()) & set(moves.values())
        now = applied(now, step)
        yield now


def applied(state: Mapping[int, RuleSpec], step: Step) -> dict[int, RuleSpec]:
    """Return the rules by priority after a step."""
    match step:
        case Create(priority, rule):
            return {**state, priority: rule}
        case Move(moves):
            still = {at: rule for at, rule in state.items() if at not in moves}
            return still | {to: state[at] for at, to in moves.items()}
        case Modify(priority, rule):
            changed = RuleSpec(rule.conditions, rule.target, state[priority].tags)
            return {**state, priority: changed}
        case Tag(priority, rule):
            old = state[priority]
            return {**state, priority: RuleSpec(old.conditions, old.target, rule.tags)}
        case Delete(priority):
            return {at: rule for at, rule in state.items() if at != priority}


def answers(state: Mapping[int, RuleSpec], host: str = HOSTNAME) -> list[str | None]:
    return [plans.answer(state, host, **asked) for asked in REQUESTS]


def rest(state: Mapping[int, RuleSpec], rule_set: str) -> list[Step]:
    """The deletions of all rules of other rule sets, as after the comparison."""
    own = [at for at, rule in state.items() if rules.is_owned(rule.tags, "orders", "shop")]
    old = [at for at in own if state[at].tags["plt.dev/plan-edition"] != rule_set]
    return [Delete(priority) for priority in sorted(old, reverse=True)]


@given(listeners(same_host), same_host, st.integers(STAGING.start, STAGING.stop))
def test_a_staged_plan_answers_every_request_as_the_former_plan_or_as_itself(found, new, start):
    wanted = plans.rule_set(new, "3-c")
    before = state_of(found)
    steps = staged(plans.listener_state(*found), wanted, start)
    *_, moved = states(before, steps)

    former, latter = answers(before), answers(moved)
    for state in states(before, steps + rest(moved, "3-c")):
        assert answers(state) in (former, latter)

    assert latter == answers(state_of(plans.placed(wanted, 2)))
    assert [type(step) for step in steps] == [Create] * len(wanted) + [Move]


@given(listeners(any_host), any_host, st.integers(STAGING.start, STAGING.stop - 1))
def test_staged_and_in_place_changes_end_in_the_lowest_free_row(found, new, start):
    wanted = plans.rule_set(new, "3-c")
    theirs = {rule.priority for rule in found if not rule.tags}
    ends = []
    for way in (staged, steps_of.in_place):
        *_, now = states(state_of(found), way(plans.listener_state(*found), wanted, start))
        *_, end = states(now, rest(now, "3-c"))
        ends.append({at: rule for at, rule in end.items() if at not in theirs})

    lowest = steps_of.free(len(wanted), frozenset(theirs), FINAL)
    assert lowest is not None
    assert ends[0] == ends[1] == dict(zip(lowest, wanted, strict=True))


@given(listeners(any_host), any_host)
def test_a_change_in_place_never_removes_a_rule_of_both_plans(found, new):
    wanted = plans.rule_set(new, "3-c")
    seen = plans.listener_state(*found)
    steps = steps_of.in_place(seen, wanted, START)
    both = {rule.conditions for rule in seen.in_force} & {each.conditions for each in wanted}

    for state in states(state_of(found), steps):
        there = {rule.conditions for rule in state.values()}
        assert both <= there
        assert any(rules.is_default(each) for each in there)
        assert len(state) <= len(found) + max(0, len(wanted) - len(seen.own))


@given(listeners(any_host), any_host, st.data())
def test_an_interrupted_change_in_place_can_be_undone_in_place(found, new, data):
    before = plans.listener_state(*found)
    steps = steps_of.in_place(before, plans.rule_set(new, "3-c"), START)
    done = steps[: data.draw(st.integers(0, len(steps)))]
    *_, now = states(state_of(found), done)
    interrupted = plans.listener_state(
        *(plans.rule(at, rule, f"interrupted/{at}") for at, rule in now.items())
    )

    former = state_of(steps_of.former(before, plans.rule_set(new, "3-c")))
    back = steps_of.in_place(interrupted, list(former.values()), START, list(former))

    *_, end = states(now, back)
    assert end == state_of(found)


def test_a_new_target_alone_is_one_modification_in_place():
    found = plans.placed(plans.rule_set(plans.read(query("v1"), default("v1"))), 2)
    wanted = plans.rule_set(plans.read(query("v1"), default("v2")), "2-b")

    steps = steps_of.in_place(plans.listener_state(*found), wanted, START)

    assert [step for step in steps if not isinstance(step, Tag)] == [Modify(3, wanted[1])]


def test_the_default_rule_is_modified_last_if_the_host_changes_in_place():
    found = plans.placed(plans.rule_set(plans.read(query("v1"), default("v1"))), 2)
    wanted = plans.rule_set(plans.read(query("v1"), default("v1"), hostname="new.example"), "2-b")

    steps = steps_of.in_place(plans.listener_state(*found), wanted, START)

    kinds = [type(step).__name__ for step in steps]
    assert kinds == ["Delete", "Create", "Move", "Modify", "Tag"]
    assert steps[3] == Modify(3, wanted[1])


ROWS = [
    ({2, 3}, 3, 4),
    ({4}, 2, 2),
    ({4}, 3, 5),
    (set(), 3, 2),
    ({2, 4, 6, 8}, 2, 9),
    ({3}, 1, 2),
]


@pytest.mark.parametrize(("taken", "size", "first"), ROWS)
def test_a_plan_takes_the_lowest_free_row_after_priority_one(taken, size, first):
    rows = [query("v1"), query("v2"), default("v3")][-size:]
    wanted = plans.rule_set(plans.read(*rows))

    *_, move = staged(
        plans.listener_state(*(foreign_rule(priority) for priority in taken)), wanted, START
    )

    assert isinstance(move, Move)
    assert list(move.moves.values()) == list(range(first, first + size))


def test_placeholder_rules_of_versions_outside_the_plan_keep_their_priorities():
    def placeholder(service: str, priority: int) -> Rule:
        marks = rules.marks("orders", "shop")
        return plans.rule(priority, placeholder_rule.spec(service, plans.target(service), marks))

    found = plans.listener_state(placeholder("orders-v1", 2), placeholder("orders-v9", 4))
    wanted = plans.rule_set(plans.read(default("v1"), query("v1")))

    *_, move = staged(found, wanted, START)

    assert isinstance(move, Move)
    assert list(move.moves.values())[:2] == [2, 3]
    assert 2 in move.moves
    assert 4 not in move.moves


def test_new_rules_are_staged_behind_a_plan_in_force_at_a_high_priority():
    found = plans.placed(plans.rule_set(plans.read(default("v1"))), STAGING.start + 700)
    wanted = plans.rule_set(plans.read(query("v2"), default("v2")), "2-b")

    creates = staged(plans.listener_state(*found), wanted, START)[:-1]

    assert all(isinstance(step, Create) and step.priority > STAGING.start + 700 for step in creates)


@pytest.mark.parametrize("within", [FINAL, STAGING], ids=["final", "staging"])
def test_a_listener_without_a_free_row_is_a_conflict(within):
    full = ListenerState((), (), frozenset(within))

    with pytest.raises(Fault, match="consecutive free priorities") as raised:
        staged(full, plans.rule_set(plans.read(default("v1"))), START)

    assert raised.value.code is Code.CONFLICT
