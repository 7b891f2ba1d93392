"""Route plans and the health of their targets."""

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.aws.rule_requests import delete_rule
from tests.ecs.routes.listeners import (
    add_version,
    apply,
    delete,
    leading_to,
    present,
    routes,
    worker,
)
from tests.ecs.routes.plans import APPLICATION, CLUSTER, default, query
from worker.provider import Call
from worker.providers.ecs.routes.backends import Backend, Health

PLANNED = ["dpl=v6 → orders-v6", "x-deployment-id=v6 → orders-v6", "* → orders-v7"]


async def test_a_default_version_without_a_healthy_target_is_a_conflict(provider, aws, groups):
    await apply(provider)
    aws.set_target_health(groups["v8"], None, "unhealthy")
    aws.calls.clear()

    with pytest.raises(Fault, match=r'of version v8 \("orders-v8"\): 1 unhealthy') as raised:
        await apply(provider, query("v6"), default("v8"), generation=13)

    assert raised.value.code is Code.CONFLICT
    assert list(routes(aws).values()) == PLANNED
    assert aws.calls.writes() == []


async def test_pins_of_an_unhealthy_version_lose_their_rules_until_it_is_healthy(
    provider, aws, groups
):
    aws.set_target_health(groups["v6"], None, "unhealthy")

    answer = await apply(provider)

    assert answer == {"appName": APPLICATION, "created": 1, "deleted": 0, "unhealthy": ["v6"]}
    assert list(routes(aws).values()) == ["* → orders-v7"]

    aws.set_target_health(groups["v6"], None, None)
    assert "unhealthy" not in await apply(provider)
    assert list(routes(aws).values()) == PLANNED


async def test_an_unhealthy_pin_is_still_health_checked_and_can_return(provider, aws, groups):
    await apply(provider)
    aws.set_target_health(groups["v6"], None, "unhealthy")

    answer = await apply(provider, generation=13)

    assert answer == {"appName": APPLICATION, "created": 1, "deleted": 3, "unhealthy": ["v6"]}
    [placeholder] = leading_to(aws, groups["v6"])
    assert placeholder.is_placeholder
    aws.set_target_health(groups["v6"], None, None)
    await apply(provider, generation=13)
    assert list(routes(aws).values()) == PLANNED
    assert not [
        rule
        for rule in present(aws).values()
        if rule.is_placeholder and rule.target == groups["v6"]
    ]


async def test_a_plan_without_a_default_rule_never_ends_with_no_rules(provider, aws, groups):
    await apply(provider, query("v6"), query("v7"))
    assert list(routes(aws).values()) == ["dpl=v6 → orders-v6", "dpl=v7 → orders-v7"]

    aws.set_target_health(groups["v6"], None, "unhealthy")
    answer = await apply(provider, query("v6"), query("v7"), generation=13)
    assert answer["unhealthy"] == ["v6"]
    assert list(routes(aws).values()) == ["dpl=v7 → orders-v7"]

    aws.set_target_health(groups["v7"], None, "unhealthy")
    aws.calls.clear()
    with pytest.raises(Fault, match="no target of its rules is healthy") as raised:
        await apply(provider, query("v6"), query("v7"), generation=14)
    assert raised.value.code is Code.CONFLICT
    assert list(routes(aws).values()) == ["dpl=v7 → orders-v7"]
    assert aws.calls.writes() == []


async def test_a_plan_waits_for_the_health_check_of_unchecked_targets(provider, aws):
    await apply(provider)
    await delete(provider)
    aws.pace.healthy_after = 0.2

    await apply(provider, default("v7"))

    assert list(routes(aws).values()) == ["* → orders-v7"]


async def test_a_plan_waits_for_the_starting_tasks_of_its_service(provider, aws):
    aws.pace.running_after = 0.2
    add_version(aws, "v9")

    await apply(provider, default("v9"))

    assert list(routes(aws).values()) == ["* → orders-v9"]


async def test_a_target_group_without_a_rule_is_health_checked_after_its_first_task_starts(
    provider, aws
):
    aws.pace.running_after = 0.2
    group = add_version(aws, "v9")
    [placeholder] = leading_to(aws, group)
    delete_rule(aws.account, {"RuleArn": placeholder.arn})

    await apply(provider, default("v9"))

    assert list(routes(aws).values()) == ["* → orders-v9"]


@pytest.mark.parametrize("state", ["initial", "draining", "unused", "none"])
async def test_a_plan_is_not_ready_if_its_targets_stay_unchecked_until_the_deadline(
    provider, aws, groups, state
):
    await apply(provider)
    match state:
        case "initial" | "draining":
            aws.set_target_health(groups["v8"], None, state)
        case "unused":
            await apply(provider, default("v8"), generation=13)
            await delete(provider)
            aws.pace.healthy_after = None
        case "none":
            aws.pace.running_after = None
            groups["v8"] = add_version(aws, "v8b")
    before = routes(aws)
    version = "v8b" if state == "none" else "v8"

    # A first delay beyond the deadline ends the wait at once.
    async with worker(aws, PLT_ECS_CLEANUP_RETRY_BASE_MS="600000") as impatient:
        with pytest.raises(Fault, match="Repeat the request") as raised:
            await apply(impatient, default(version), generation=14)

    assert (raised.value.code, raised.value.status) == (Code.PLATFORM_NOT_READY, 503)
    assert raised.value.retry_after == 10
    assert routes(aws) == before
    assert [rule.is_placeholder for rule in leading_to(aws, groups["v8"])] == [True]


DEREGISTERED = Health("unused", "Target.NotRegistered")
LEAVING = Health("draining", "Target.DeregistrationInProgress")


@pytest.mark.parametrize("health", [(), (LEAVING,), (DEREGISTERED,), (LEAVING, DEREGISTERED)])
def test_targets_under_replacement_are_pending_while_the_service_has_tasks(health):
    assert Backend("group", health, starts=True).is_pending
    assert not Backend("group", health, starts=False).is_pending
    assert not Backend("group", (*health, Health("unhealthy")), starts=True).is_pending


@pytest.mark.parametrize("last_target", [None, "draining"])
async def test_a_plan_for_a_service_without_tasks_is_a_conflict_at_once(provider, aws, last_target):
    group = add_version(aws, "v9")
    scaled = api.UpdateControllerReplicas(CLUSTER, "orders-v9", 0)
    await provider.update_controller_replicas(scaled, Call.within(10))
    aws.set_target_health(group, None, last_target)

    with pytest.raises(Fault, match="no target") as raised:
        await apply(provider, default("v9"))

    assert raised.value.code is Code.CONFLICT


async def test_a_stale_plan_does_not_wait_for_its_targets(provider, aws, groups):
    await apply(provider, generation=13)
    aws.set_target_health(groups["v8"], None, "initial")

    with pytest.raises(Fault, match="stale") as raised:
        await apply(provider, default("v8"), generation=12)

    assert raised.value.code is Code.CONFLICT


async def test_an_unchecked_pin_is_reported_and_a_repeat_of_the_plan_adds_it(provider, aws):
    pinned = (query("v6"), default("v7"))
    await apply(provider, *pinned, generation=12)
    await apply(provider, default("v7"), generation=13)

    answer = await apply(provider, *pinned, generation=14)

    assert answer["unhealthy"] == ["v6"]
    assert list(routes(aws).values()) == ["* → orders-v7"]
    assert "unhealthy" not in await apply(provider, *pinned, generation=14)
    assert list(routes(aws).values()) == ["dpl=v6 → orders-v6", "* → orders-v7"]
