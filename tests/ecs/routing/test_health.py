"""Route plans and the health of the targets that they lead to."""

import pytest

from contracts.faults import Code, Fault
from tests.ecs.routing.listeners import apply, delete, leading_to, present, routes
from tests.ecs.routing.plans import APPLICATION, default, query

PLANNED = ["dpl=v6 → orders-v6", "x-deployment-id=v6 → orders-v6", "* → orders-v7"]


@pytest.mark.parametrize("state", ["unhealthy", "initial", "draining"])
async def test_a_default_version_without_a_healthy_target_is_a_conflict(
    provider, aws, groups, state
):
    await apply(provider)
    aws.set_target_health(groups["v8"], None, state)
    aws.calls.clear()

    with pytest.raises(Fault, match=rf'of version v8 \("orders-v8"\): 1 {state}') as raised:
        await apply(provider, query("v6"), default("v8"), generation=13)

    assert raised.value.code is Code.CONFLICT
    assert list(routes(aws).values()) == PLANNED
    assert aws.calls.writes() == []


async def test_pins_of_an_unhealthy_version_lose_their_rules_until_it_is_healthy(
    provider, aws, groups
):
    aws.set_target_health(groups["v6"], None, "unhealthy")

    told = await apply(provider)

    assert told == {"appName": APPLICATION, "created": 1, "deleted": 0, "unhealthy": ["v6"]}
    assert list(routes(aws).values()) == ["* → orders-v7"]

    aws.set_target_health(groups["v6"], None, None)
    assert "unhealthy" not in await apply(provider)
    assert list(routes(aws).values()) == PLANNED


async def test_a_pin_that_gets_unhealthy_is_still_checked_and_comes_back(provider, aws, groups):
    await apply(provider)
    aws.set_target_health(groups["v6"], None, "unhealthy")

    told = await apply(provider, generation=13)

    assert told == {"appName": APPLICATION, "created": 1, "deleted": 3, "unhealthy": ["v6"]}
    [waiting] = leading_to(aws, groups["v6"])
    assert waiting.waits
    aws.set_target_health(groups["v6"], None, None)
    await apply(provider, generation=13)
    assert list(routes(aws).values()) == PLANNED
    assert not [
        rule for rule in present(aws).values() if rule.waits and rule.target == groups["v6"]
    ]


async def test_a_plan_without_a_default_rule_never_ends_with_no_rules(provider, aws, groups):
    await apply(provider, query("v6"), query("v7"))
    assert list(routes(aws).values()) == ["dpl=v6 → orders-v6", "dpl=v7 → orders-v7"]

    aws.set_target_health(groups["v6"], None, "unhealthy")
    told = await apply(provider, query("v6"), query("v7"), generation=13)
    assert told["unhealthy"] == ["v6"]
    assert list(routes(aws).values()) == ["dpl=v7 → orders-v7"]

    aws.set_target_health(groups["v7"], None, "unhealthy")
    aws.calls.clear()
    with pytest.raises(Fault, match="no target that any of its rules leads to") as raised:
        await apply(provider, query("v6"), query("v7"), generation=14)
    assert raised.value.code is Code.CONFLICT
    assert list(routes(aws).values()) == ["dpl=v7 → orders-v7"]
    assert aws.calls.writes() == []


async def test_targets_that_nobody_checks_any_more_are_checked_again_for_the_next_plan(
    provider, aws
):
    await apply(provider)
    await delete(provider)

    with pytest.raises(Fault, match=r"\(\"orders-v7\"\): 1 unused") as raised:
        await apply(provider)
    assert raised.value.code is Code.CONFLICT
    assert routes(aws) == {}

    await apply(provider)
    assert list(routes(aws).values()) == PLANNED


async def test_a_version_that_another_plan_left_out_is_told_and_comes_with_the_same_again(
    provider, aws
):
    pinned = (query("v6"), default("v7"))
    await apply(provider, *pinned, generation=12)
    await apply(provider, default("v7"), generation=13)

    told = await apply(provider, *pinned, generation=14)

    assert told["unhealthy"] == ["v6"]
    assert list(routes(aws).values()) == ["* → orders-v7"]
    assert "unhealthy" not in await apply(provider, *pinned, generation=14)
    assert list(routes(aws).values()) == ["dpl=v6 → orders-v6", "* → orders-v7"]
