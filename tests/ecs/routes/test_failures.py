"""Route plans over HTTP while AWS fails, other applications write, and readers read."""

import asyncio
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.aws.faults import Fault as Injected
from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.routes.listeners import add_version, apply, delete, present, read, routes
from tests.ecs.routes.plans import APPLICATION, CLUSTER, default, header, plan, query
from worker.provider import Call

ELB = "elasticloadbalancing"
PLANNED = ["dpl=v6 → orders-v6", "x-deployment-id=v6 → orders-v6", "* → orders-v7"]
NEXT = (query("v6"), query("v7"), default("v8"))
NEXT_PLANNED = ["dpl=v6 → orders-v6", "dpl=v7 → orders-v7", "* → orders-v8"]


@pytest.fixture
async def applied(provider, aws):
    """The stand-in with a plan in force."""
    await apply(provider)
    aws.calls.clear()
    return aws


def after(aws: AwsSandbox, action: str, requests: int, **fault: Any) -> Injected:
    """A fault for one request of an action, after successful ones."""
    for _ in range(requests):
        aws.faults.add(action, times=1)
    return aws.faults.add(action, **fault)


async def test_a_priority_that_another_application_took_is_replaced(provider, applied):
    applied.faults.add(f"{ELB}:CreateRule", code="PriorityInUse", times=1)
    applied.faults.add(f"{ELB}:SetRulePriorities", code="PriorityInUse", times=1)

    await apply(provider, *NEXT, generation=13)

    assert list(routes(applied).values()) == NEXT_PLANNED


async def test_a_move_fails_with_a_retryable_fault_if_its_priorities_are_always_taken(
    provider, applied
):
    before = present(applied)
    applied.faults.add(f"{ELB}:SetRulePriorities", code="PriorityInUse", times=None)

    with pytest.raises(Fault, match="other writers keep changing the listener's rules") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert present(applied) == before
    assert applied.calls.count(f"{ELB}:SetRulePriorities") == 5


@pytest.mark.parametrize("created", range(3))
async def test_a_failed_rule_creation_leaves_the_former_plan_unchanged(provider, applied, created):
    before = present(applied)
    refusal = {"code": "TargetGroupAssociationLimit", "message": "of another load balancer"}
    after(applied, f"{ELB}:CreateRule", created, **refusal)

    with pytest.raises(Fault, match="of another load balancer") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_INVALID
    assert present(applied) == before


async def test_a_missing_permission_is_named_and_no_rule_is_left(provider, applied):
    before = present(applied)
    applied.faults.deny(f"{ELB}:SetRulePriorities")

    with pytest.raises(Fault, match=f"lacks {ELB}:SetRulePriorities") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert present(applied) == before


async def test_throttling_before_the_first_rule_means_that_nothing_was_attempted(provider, applied):
    applied.faults.throttle(f"{ELB}:CreateRule", times=None)

    with pytest.raises(Fault) as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_LIMITING
    assert list(routes(applied).values()) == PLANNED


async def test_throttling_after_the_first_rule_does_not_claim_that_nothing_was_done(
    provider, applied
):
    before = present(applied)
    applied.faults.throttle(f"{ELB}:SetRulePriorities", times=None)

    with pytest.raises(Fault) as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert present(applied) == before


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ({"code": "AccessDenied", "status": 403}, Code.PLATFORM_FORBIDDEN),
        ({"code": "InternalFailure", "status": 500}, Code.PLATFORM_FAILED),
        ({"code": "Throttling"}, Code.PLATFORM_FAILED),
    ],
)
@pytest.mark.parametrize("deleted", range(3))
async def test_a_fault_says_that_the_plan_is_in_force_if_former_rules_cannot_be_deleted(
    provider, applied, refusal, code, deleted
):
    former = {rule.arn for rule in present(applied).values()}
    after(applied, f"{ELB}:DeleteRule", deleted, times=None, **refusal)

    with pytest.raises(Fault, match="is in force, but") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is code
    assert list(routes(applied).values())[:3] == NEXT_PLANNED
    left = former & {rule.arn for rule in present(applied).values()}
    assert left
    assert all(arn in raised.value.message for arn in left)
    assert not any(arn in raised.value.message for arn in former - left)

    with pytest.raises(Fault, match="is in force, but") as raised:
        await apply(provider, *NEXT, generation=13)
    applied.faults.clear()
    answer = await apply(provider, *NEXT, generation=13)

    assert answer == {"appName": APPLICATION, "created": 0, "deleted": 0}
    assert not former & {rule.arn for rule in present(applied).values()}


async def test_a_fault_says_that_the_plan_was_written_if_the_listener_cannot_be_read(
    provider, applied
):
    after(applied, f"{ELB}:DescribeRules", 1, code="AccessDenied", status=403, times=None)

    with pytest.raises(Fault, match="was written and may be in force") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    applied.faults.clear()
    await apply(provider, *NEXT, generation=13)
    assert list(routes(applied).values()) == NEXT_PLANNED


async def test_a_failed_deletion_names_the_rules_that_are_left(provider, applied):
    after(applied, f"{ELB}:DeleteRule", 1, code="AccessDenied", status=403, times=None)

    with pytest.raises(Fault, match="Left behind") as raised:
        await delete(provider)

    left = present(applied).values()
    assert left
    assert all(rule.arn in raised.value.message for rule in left)


ACTIONS = ["CreateRule", "SetRulePriorities", "DeleteRule"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("requests", range(2))
async def test_a_lost_answer_has_one_effect(provider, applied, action, requests):
    after(applied, f"{ELB}:{action}", requests, disconnect="after")

    answer = await apply(provider, *NEXT, generation=13)

    assert answer == {"appName": APPLICATION, "created": 3, "deleted": 3}
    assert list(routes(applied).values()) == NEXT_PLANNED


async def test_a_deadline_in_the_middle_leaves_the_former_plan_in_force(provider, applied):
    applied.faults.add(f"{ELB}:CreateRule", times=None, delay=0.3)
    operation = api.ApplyRoutePlan(CLUSTER, plan(*NEXT, generation=13))

    with pytest.raises(Fault) as raised:
        await provider.apply_route_plan(operation, Call.within(0.6))

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    applied.faults.clear()
    assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v6", "v6", "v7"]
    await apply(provider, *NEXT, generation=13)
    assert list(routes(applied).values()) == NEXT_PLANNED


async def test_a_reader_sees_the_former_plan_or_the_next(provider, applied):
    for action in ACTIONS:
        applied.faults.add(f"{ELB}:{action}", times=None, delay=0.1)
    seen: list[list[str]] = []

    async def read_on() -> None:
        while True:
            seen.append([rule["versionId"] for rule in (await read(provider))["rules"]])

    reader = asyncio.create_task(read_on())
    await apply(provider, *NEXT, generation=13)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader

    assert len(seen) > 2
    assert all(each in (["v6", "v6", "v7"], ["v6", "v7", "v8"]) for each in seen)


async def test_concurrent_plans_of_many_applications_get_separate_priorities(aws, provider):
    names = [f"app{number}" for number in range(6)]
    groups = {name: add_version(aws, "v1", application=name, far=True) for name in names}

    async def insist(name: str) -> None:
        """Retry as clients do while others change the listener faster than it is written."""
        own = default("v1", backend={"serviceName": f"{name}-v1"})
        while True:
            try:
                await apply(provider, own, appName=name, hostname=f"{name}.example")
                return
            except Fault as fault:
                if fault.code is not Code.PLATFORM_FAILED:
                    raise

    await asyncio.gather(*map(insist, names))

    leading = [rule.target for rule in present(aws).values() if not rule.is_placeholder]
    assert sorted(leading) == sorted(groups.values())


@pytest.fixture
def full(applied, groups):
    """A load balancer at its limit of rules."""
    for priority in range(1001, 1101 - len(present(applied))):
        applied.add_rule(groups["v8"], host="other.example.org", priority=priority)
    return applied


async def test_a_plan_is_changed_in_place_on_a_full_load_balancer(provider, full):
    answer = await apply(provider, *NEXT, generation=13)

    assert answer == {"appName": APPLICATION, "created": 3, "deleted": 3}
    assert list(routes(full).values()) == NEXT_PLANNED
    route = await read(provider)
    assert [rule["versionId"] for rule in route["rules"]] == ["v6", "v7", "v8"]
    assert route["metadata"]["annotations"] == {"plt.dev/generation": "13"}


async def test_a_longer_plan_is_refused_on_a_full_load_balancer(provider, full):
    before = present(full)
    longer = (*NEXT[:-1], header("v7"), header("v6"), default("v8"))

    with pytest.raises(Fault, match="no room for the 5 rules of the plan") as raised:
        await apply(provider, *longer, generation=13)

    assert raised.value.code is Code.PLATFORM_INVALID
    assert present(full) == before


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ({"code": "AccessDenied", "status": 403}, Code.PLATFORM_FORBIDDEN),
        ({"code": "InternalFailure", "status": 500}, Code.PLATFORM_FAILED),
    ],
)
async def test_a_fault_says_that_rules_changed_in_part_if_the_undo_fails(
    provider, full, refusal, code
):
    before = routes(full)
    # The first creation finds the load balancer full.
    full.faults.add(f"{ELB}:CreateRule", "TooManyRules", times=1)
    full.faults.add(f"{ELB}:CreateRule", times=None, **refusal)

    with pytest.raises(Fault, match="the rules were changed in part") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is code
    assert routes(full) != before
    full.faults.clear()
    await apply(provider, *NEXT, generation=13)
    assert list(routes(full).values()) == NEXT_PLANNED


@pytest.mark.parametrize("action", ["CreateRule", "SetRulePriorities", "ModifyRule", "AddTags"])
async def test_a_failed_change_in_place_is_undone(provider, full, action):
    before = {priority: rule for priority, rule in routes(full).items()}
    successes = 1 if action == "CreateRule" else 0
    after(full, f"{ELB}:{action}", successes, code="InvalidLoadBalancerAction", message="so")

    with pytest.raises(Fault, match="so"):
        await apply(provider, *NEXT, generation=13)

    assert routes(full) == before
    assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v6", "v6", "v7"]
