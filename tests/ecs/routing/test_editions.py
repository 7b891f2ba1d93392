"""Which of the plans that a listener has rules of counts, and what becomes of the others."""

import pytest

from contracts.faults import Code, Fault
from tests.ecs.routing import plans
from tests.ecs.routing.plans import default, header, placed, query, seen, stranger
from worker.providers.ecs import editions, rules, verdicts
from worker.providers.ecs.editions import Draft
from worker.providers.ecs.route_plan import Plan
from worker.providers.ecs.rules import Rule, Wanted
from worker.providers.ecs.verdicts import Broken, Overtaken, Settled

FORMER = plans.read(query("v1"), default("v1"), generation=11)
NEXT = plans.read(query("v2"), default("v2"), generation=12)
NEWER = plans.read(header("v3"), default("v3"), generation=13)
FINAL, STAGED = 2, 49_200


def named(plan: Plan, name: str) -> Draft:
    return Draft(name, tuple(plans.edition(plan, name)), plan.freshness)


def at(first: int, draft: Draft, part: slice = slice(None)) -> list[Rule]:
    return placed(draft.rules[part], first)


OLD = named(FORMER, "1-a")
DRAFT = named(NEXT, "2-b")


def test_an_edition_is_greater_than_all_that_were_seen():
    found = seen(
        *at(2, OLD), *at(10, named(FORMER, "9-x")), *placed(plans.edition(NEXT, "bad"), 20)
    )

    assert plans.draft(NEXT, "d", before=found).name == "10-d"


def test_the_plan_in_force_is_the_first_that_is_whole():
    part, whole = named(NEWER, "3-c"), DRAFT
    found = seen(*at(2, part, slice(1)), *at(5, whole), *at(STAGED, OLD))

    assert [rule.priority for rule in found.in_force] == [5, 6]


def test_without_a_whole_plan_rules_count_as_far_as_requests_get():
    found = seen(*at(2, OLD, slice(1, None)), *at(5, DRAFT, slice(1)))

    assert [rule.priority for rule in found.in_force] == [2]
    assert seen(*at(2, OLD, slice(1))).in_force == ()


def test_rules_without_an_edition_are_one_plan():
    bare = [
        Wanted(each.conditions, each.target, {**rules.marks("orders", "shop")})
        for each in OLD.rules
    ]

    assert len(seen(*placed(bare, 2)).in_force) == 2


IN_FORCE, BEHIND = at(2, DRAFT), at(STAGED, OLD)
GREATER = named(NEWER, "2-c")
LESSER = named(NEXT, "2-a")
LOOKS = [
    ("nothing but itself", IN_FORCE, Settled([], [])),
    ("the former behind", [*IN_FORCE, *BEHIND], Settled(BEHIND, [])),
    ("itself not moved", [*at(2, OLD), *at(STAGED, DRAFT)], Broken()),
    ("a rule of it gone", IN_FORCE[:1], Broken()),
    ("nothing of it", BEHIND, Broken()),
    ("a newer one in force", [*IN_FORCE, *at(9, GREATER)], "overtaken"),
    ("a newer one that is only prepared", [*IN_FORCE, *at(STAGED, GREATER)], Settled([], [])),
    ("a newer one in part", [*IN_FORCE, *at(9, GREATER, slice(1))], Settled([], [])),
    ("one of its age in force", [*IN_FORCE, *at(9, LESSER)], Settled(at(9, LESSER), [])),
    (
        "one of its age in part",
        [*IN_FORCE, *at(STAGED, LESSER, slice(1))],
        Settled([], at(STAGED, LESSER, slice(1))),
    ),
    ("a part of one before it", [*at(2, LESSER, slice(1)), *at(9, DRAFT)], None),
]


@pytest.mark.parametrize(
    ("found", "verdict"), [look[1:] for look in LOOKS], ids=[look[0] for look in LOOKS]
)
def test_a_writer_learns_from_the_listener_what_became_of_its_plan(found, verdict):
    before = seen(*at(2, OLD))

    judged = verdicts.judge(before, seen(stranger(70), *found), DRAFT)

    if verdict == "overtaken":
        assert isinstance(judged, Overtaken)
        assert judged.by.name == GREATER.name
    elif verdict is None:
        assert judged == Settled(at(2, LESSER, slice(1)), [])
    else:
        assert judged == verdict


def test_whoever_was_overtaken_is_told_by_what():
    [by] = seen(*at(2, GREATER)).editions
    with pytest.raises(Fault, match="is stale: it has generation 12, and") as raised:
        raise verdicts.overtaken(NEXT, by)
    assert raised.value.code is Code.CONFLICT

    [by] = seen(*at(2, LESSER)).editions
    with pytest.raises(Fault, match="with generation 12 was applied at the same time"):
        raise verdicts.overtaken(NEXT, by)


UNCHANGED = [
    ("in force", IN_FORCE, Settled([], [])),
    ("in force before the former", [*IN_FORCE, *BEHIND], Settled(BEHIND, [])),
    ("only prepared", at(STAGED, DRAFT), None),
    ("behind another", [*at(2, OLD), *at(9, DRAFT)], None),
    ("in force before a greater", [*IN_FORCE, *at(STAGED, named(NEXT, "3-a"))], None),
    ("in part", IN_FORCE[:1], None),
    ("in another order", list(reversed(placed(DRAFT.rules[::-1], 2))), None),
]


@pytest.mark.parametrize(
    ("found", "expected"), [case[1:] for case in UNCHANGED], ids=[case[0] for case in UNCHANGED]
)
def test_a_plan_that_is_in_force_already_is_not_written_again(found, expected):
    assert verdicts.unchanged(seen(*found), plans.draft(NEXT, before=seen(*found))) == expected


def test_the_same_rules_of_a_newer_plan_are_written_so_that_older_ones_stay_out():
    newer = plans.read(query("v2"), default("v2"), generation=13)

    assert verdicts.unchanged(seen(*IN_FORCE), plans.draft(newer, before=seen(*IN_FORCE))) is None


def test_a_group_whose_pins_are_left_out_gets_one_rule_that_keeps_it_checked():
    plan = plans.read(query("v1"), header("v1"), default("v2"))

    draft = plans.draft(plan, absent=["orders-v1"])

    assert [rule.waits for rule in draft.rules] == [False, True]
    assert draft.rules[0].tags[editions.SIZE] == "1"
    [waiting] = placed(draft.rules[1:], 7)
    again = plans.draft(plan, absent=["orders-v1"], before=seen(waiting))
    assert [rule.waits for rule in again.rules] == [False]
