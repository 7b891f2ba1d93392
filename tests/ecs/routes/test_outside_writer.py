"""A writer outside machinist that changes an application's rules while a plan is applied."""

from collections.abc import Callable, Iterator

import pytest

from contracts.faults import Code, Fault
from deploy.sandbox.aws.rule_requests import delete_rule
from tests.ecs.routes import plans, worlds
from tests.ecs.routes.interrupted_client import Choose, Fate
from tests.ecs.routes.plans import default, query
from tests.ecs.routes.worlds import FORMER, KEPT, LAST, NEWER, ONE, Place, World

OLDER = plans.read(KEPT, default("v7"), generation=11)
SAME_AGE = plans.read(KEPT, default("v9"), generation=12)
LONG = plans.read(KEPT, *map(query, ("v7", "v8", "v9")), default("v7"), generation=11)
MOVE, LOOK = 5, 6
"""The numbers of requests of ONE: two reads and three creations come before the move."""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with worlds.opened() as opened:
        yield opened


def before(request_: int, work: Callable[[], None]) -> Choose:
    def choose(number: int, action: str) -> Fate:
        if number == request_:
            work()
        return "answered"

    return choose


def is_half_there(world: World) -> bool:
    return any(each.name and not each.is_whole for each in world.seen().rule_sets)


@pytest.mark.parametrize("request_", range(LOOK + 1))
def test_a_newer_plan_stays_and_ours_is_stale(place, request_):
    world = place.world()

    ended = world.apply(ONE, before(request_, lambda: world.apply_outside(NEWER)))

    assert isinstance(ended, Fault)
    assert ended.status == 409
    assert "is stale: it has generation 12, and a plan with generation 13" in ended.message
    assert not is_half_there(world)
    assert isinstance(world.apply(LAST), dict)
    world.expect(LAST)


@pytest.mark.parametrize("other", [OLDER, SAME_AGE], ids=["older", "of the same age"])
def test_a_plan_that_is_not_newer_is_reported_and_ours_stays(place, other):
    world = place.world()

    ended = world.apply(ONE, before(LOOK, lambda: world.add_outside(other)))

    assert isinstance(ended, Fault)
    assert ended.status == 502
    assert "another writer changed the routes" in ended.message
    assert "The plan is in force" in ended.message
    [found] = [each for each in world.seen().rule_sets if not each.name]
    assert all(rule.arn in ended.message for rule in found.rules)
    assert world.in_force(ONE, other) == ONE
    assert isinstance(world.apply(ONE), dict)
    world.expect(ONE)


@pytest.mark.parametrize("strangers", [(), range(1001, 1098)], ids=["staged", "in place"])
@pytest.mark.parametrize("request_", range(30))
def test_after_any_moment_ours_is_whole_or_gone_and_a_repeat_replaces_theirs(
    place, request_, strangers
):
    world = place.world(strangers=strangers)

    ended = world.apply(ONE, before(request_, lambda: world.apply_outside(OLDER)))

    if isinstance(ended, Fault):
        assert ended.code is Code.PLATFORM_FAILED
    assert strangers or not is_half_there(world)
    assert isinstance(world.apply(ONE), dict)
    world.expect(ONE)


def test_without_some_of_our_rules_the_former_plan_is_in_force_again(place):
    world = place.world()

    def delete_ours() -> None:
        ours = world.seen().rule_sets[0]
        delete_rule(world.things.account, {"RuleArn": ours.rules[1].arn})

    ended = world.apply(ONE, before(LOOK, delete_ours))

    assert isinstance(ended, Fault)
    assert ended.status == 502
    assert "rules of the plan are missing or changed. The plan is not in force" in ended.message
    assert world.in_force(ONE, FORMER) == FORMER
    [left] = world.seen().rule_sets
    assert left.is_whole


def test_a_listener_is_read_to_its_end_while_another_writer_deletes_one_rule_per_look(place):
    world = place.world(LONG)

    def choose(number: int, action: str) -> Fate:
        if action.endswith(":DescribeTags") and len(own := world.seen().own) > 1:
            delete_rule(world.things.account, {"RuleArn": own[-1].arn})
        return "answered"

    assert isinstance(world.apply(LAST, choose), dict)
    world.expect(LAST)
