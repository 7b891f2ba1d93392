"""A writer outside machinist that changes an application's rules while a plan is applied."""

from collections.abc import Callable, Iterator

import pytest

from contracts.faults import Code, Fault
from deploy.sandbox.aws.rule_requests import delete_rule
from tests.ecs.routes import plans, simulated_listener
from tests.ecs.routes.interrupted_client import Choose, Fate
from tests.ecs.routes.plans import default, query
from tests.ecs.routes.simulated_listener import (
    FORMER,
    KEPT,
    LAST,
    NEWER,
    ONE,
    SimulatedAccount,
    SimulatedListener,
)

OLDER = plans.read(KEPT, default("v7"), generation=11)
SAME_AGE = plans.read(KEPT, default("v9"), generation=12)
LONG = plans.read(KEPT, *map(query, ("v7", "v8", "v9")), default("v7"), generation=11)
COMPARISON = 6
"""The first request of ONE after two reads, three creations and the move."""


@pytest.fixture(scope="module")
def simulation() -> Iterator[SimulatedAccount]:
    with simulated_listener.opened() as opened:
        yield opened


def before(request_: int, work: Callable[[], None]) -> Choose:
    def choose(number: int, action: str) -> Fate:
        if number == request_:
            work()
        return "answered"

    return choose


def has_partial_rule_set(listener: SimulatedListener) -> bool:
    return any(each.name and not each.is_whole for each in listener.state().rule_sets)


@pytest.mark.parametrize("request_", range(COMPARISON + 1))
def test_a_newer_outside_plan_stays_and_ours_is_stale(simulation, request_):
    listener = simulation.listener()

    result = listener.apply(ONE, before(request_, lambda: listener.apply_outside(NEWER)))

    assert isinstance(result, Fault)
    assert result.status == 409
    assert "is stale: it has generation 12, and a plan with generation 13" in result.message
    assert not has_partial_rule_set(listener)
    assert isinstance(listener.apply(LAST), dict)
    listener.expect_plan(LAST)


@pytest.mark.parametrize("other", [OLDER, SAME_AGE], ids=["older", "of the same age"])
def test_an_outside_plan_that_is_not_newer_is_reported_and_ours_stays(simulation, other):
    listener = simulation.listener()

    result = listener.apply(ONE, before(COMPARISON, lambda: listener.add_outside(other)))

    assert isinstance(result, Fault)
    assert result.status == 502
    assert "another writer changed the routes" in result.message
    assert "The plan is in force" in result.message
    [found] = [each for each in listener.state().rule_sets if not each.name]
    assert all(rule.arn in result.message for rule in found.rules)
    assert listener.in_force(ONE, other) == ONE
    assert isinstance(listener.apply(ONE), dict)
    listener.expect_plan(ONE)


@pytest.mark.parametrize("foreign", [(), range(1001, 1098)], ids=["staged", "in place"])
@pytest.mark.parametrize("request_", range(30))
def test_an_older_outside_plan_leaves_ours_whole_or_absent_and_a_repeat_replaces_it(
    simulation, request_, foreign
):
    listener = simulation.listener(foreign=foreign)

    result = listener.apply(ONE, before(request_, lambda: listener.apply_outside(OLDER)))

    if isinstance(result, Fault):
        assert result.code is Code.PLATFORM_FAILED
    assert foreign or not has_partial_rule_set(listener)
    assert isinstance(listener.apply(ONE), dict)
    listener.expect_plan(ONE)


def test_a_missing_rule_of_ours_restores_the_former_plan(simulation):
    listener = simulation.listener()

    def delete_ours() -> None:
        ours = listener.state().rule_sets[0]
        delete_rule(listener.sandbox.account, {"RuleArn": ours.rules[1].arn})

    result = listener.apply(ONE, before(COMPARISON, delete_ours))

    assert isinstance(result, Fault)
    assert result.status == 502
    assert "rules of the plan are missing or changed. The plan is not in force" in result.message
    assert listener.in_force(ONE, FORMER) == FORMER
    [left] = listener.state().rule_sets
    assert left.is_whole


def test_a_listener_is_read_while_another_writer_deletes_one_rule_per_read(simulation):
    listener = simulation.listener(LONG)

    def choose(number: int, action: str) -> Fate:
        if action.endswith(":DescribeTags") and len(own := listener.state().own) > 1:
            delete_rule(listener.sandbox.account, {"RuleArn": own[-1].arn})
        return "answered"

    assert isinstance(listener.apply(LAST, choose), dict)
    listener.expect_plan(LAST)
