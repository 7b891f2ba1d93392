"""The rule set in force on a listener, and the comparison after a write."""

import pytest

from contracts.faults import Code, Fault
from tests.ecs.routes import plans
from tests.ecs.routes.plans import default, foreign_rule, header, listener_state, placed, query
from worker.providers.ecs.elb import rules
from worker.providers.ecs.elb.rules import Rule, RuleSpec
from worker.providers.ecs.routes import rule_sets
from worker.providers.ecs.routes.rule_sets import Complete, Draft, Incomplete

FORMER = plans.read(query("v1"), default("v1"), generation=11)
NEXT = plans.read(query("v2"), default("v2"), generation=12)
NEWER = plans.read(header("v3"), default("v3"), generation=13)
STAGED = 49_200


def at(first: int, draft: Draft, part: slice = slice(None)) -> list[Rule]:
    return placed(draft.rules[part], first)


OLD = plans.draft(FORMER, "a")
DRAFT = plans.draft(NEXT, "b")
OTHER = plans.draft(NEWER, "c")


def test_the_plan_in_force_is_the_first_whole_rule_set():
    found = listener_state(*at(2, OTHER, slice(1)), *at(5, DRAFT), *at(STAGED, OLD))

    assert [rule.priority for rule in found.in_force] == [5, 6]


def test_without_a_whole_rule_set_the_rules_up_to_the_default_rule_are_in_force():
    found = listener_state(*at(2, OLD, slice(1, None)), *at(5, DRAFT, slice(1)))

    assert [rule.priority for rule in found.in_force] == [2]
    assert listener_state(*at(2, OLD, slice(1))).in_force == ()


def test_rules_without_a_rule_set_name_are_one_plan():
    bare = [
        RuleSpec(each.conditions, each.target, {**rules.marks("orders", "shop")})
        for each in OLD.rules
    ]

    assert len(listener_state(*placed(bare, 2)).in_force) == 2


def test_a_plan_that_is_older_than_a_rule_is_stale():
    found = listener_state(*at(2, OLD), *at(STAGED, OTHER, slice(1)))

    with pytest.raises(Fault, match="is stale: it has generation 12, and") as raised:
        rule_sets.refuse_older(found, NEXT)

    assert raised.value.code is Code.CONFLICT
    rule_sets.refuse_older(listener_state(*at(2, OLD)), FORMER)


IN_FORCE, BEHIND = at(2, DRAFT), at(STAGED, OLD)
COMPARISONS = [
    ("the draft alone", IN_FORCE, Complete([])),
    ("the former rule set behind", [*IN_FORCE, *BEHIND], Complete(BEHIND)),
    ("a late rule", [*IN_FORCE, *at(49_500, OTHER)], Complete(at(49_500, OTHER))),
    ("the draft not moved", [*at(STAGED, OLD), *at(49_500, DRAFT)], Incomplete([], False)),
    ("a missing rule of the draft", IN_FORCE[:1], Incomplete([], False)),
    ("no rule of the draft", BEHIND, Incomplete([], False)),
    ("a foreign rule set behind", [*IN_FORCE, *at(9, OTHER)], Incomplete(at(9, OTHER), True)),
    ("a foreign rule set in front", [*at(2, OTHER), *at(9, DRAFT)], Incomplete(at(2, OTHER), True)),
    ("a foreign rule set alone", at(9, OTHER), Incomplete(at(9, OTHER), False)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "expected"), [case[1:] for case in COMPARISONS], ids=[case[0] for case in COMPARISONS]
)
def test_the_listener_is_compared_with_the_draft_after_a_write(found, expected):
    before = listener_state(*BEHIND)

    assert rule_sets.compare(before, listener_state(foreign_rule(70), *found), DRAFT) == expected


UNCHANGED = [
    ("in force", IN_FORCE, []),
    ("in force in front of the former", [*IN_FORCE, *BEHIND], BEHIND),
    ("in force in front of a staged one", [*IN_FORCE, *at(STAGED, OTHER)], at(STAGED, OTHER)),
    ("only staged", at(STAGED, DRAFT), None),
    ("behind another plan", [*at(2, OLD), *at(9, DRAFT)], None),
    ("incomplete", IN_FORCE[:1], None),
    ("in another order", list(reversed(placed(DRAFT.rules[::-1], 2))), None),
]


@pytest.mark.parametrize(
    ("found", "expected"), [case[1:] for case in UNCHANGED], ids=[case[0] for case in UNCHANGED]
)
def test_a_plan_in_force_is_not_written_again(found, expected):
    assert rule_sets.unchanged(listener_state(*found), plans.draft(NEXT, "d")) == expected


def test_the_same_rules_of_a_newer_plan_are_written_to_record_its_generation():
    newer = plans.read(query("v2"), default("v2"), generation=13)

    assert rule_sets.unchanged(listener_state(*IN_FORCE), plans.draft(newer, "d")) is None


def test_a_target_group_without_pins_gets_one_placeholder_rule():
    plan = plans.read(query("v1"), header("v1"), default("v2"))

    draft = plans.draft(plan, absent=["orders-v1"])

    assert [rule.is_placeholder for rule in draft.rules] == [False, True]
    assert draft.rules[0].tags[rule_sets.SIZE] == "1"
    [placeholder] = placed(draft.rules[1:], 7)
    again = plans.draft(plan, absent=["orders-v1"], before=listener_state(placeholder))
    assert [rule.is_placeholder for rule in again.rules] == [False]
