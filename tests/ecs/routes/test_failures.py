"""Route plans while AWS fails, others write, readers read: over the real way to AWS."""

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
    """A listener with a plan in force."""
    await apply(provider)
    aws.calls.clear()
    return aws


def after(aws: AwsSandbox, action: str, requests: int, **fault: Any) -> Injected:
    """A fault for one request of an action, after some that go well."""
    for _ in range(requests):
        aws.faults.add(action, times=1)
    return aws.faults.add(action, **fault)


async def test_a_priority_that_somebody_else_took_meanwhile_is_no_failure(provider, applied):
    applied.faults.add(f"{ELB}:CreateRule", code="PriorityInUse", times=1)
    applied.faults.add(f"{ELB}:SetRulePriorities", code="PriorityInUse", times=1)

    await apply(provider, *NEXT, generation=13)

    assert list(routes(applied).values()) == NEXT_PLANNED


async def test_priorities_that_others_take_all_the_time_end_in_a_failure_that_can_be_repeated(
    provider, applied
):
    before = present(applied)
    applied.faults.add(f"{ELB}:SetRulePriorities", code="PriorityInUse", times=None)

    with pytest.raises(Fault, match="others change the listener's rules") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert present(applied) == before
    assert applied.calls.count(f"{ELB}:SetRulePriorities") == 5


@pytest.mark.parametrize("made", range(3))
async def test_a_rule_that_cannot_be_made_leaves_the_former_plan_whole(provider, applied, made):
    before = present(applied)
    refusal = {"code": "TargetGroupAssociationLimit", "message": "of another load balancer"}
    after(applied, f"{ELB}:CreateRule", made, **refusal)

    with pytest.raises(Fault, match="of another load balancer") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_INVALID
    assert present(applied) == before


async def test_a_missing_right_is_named_and_nothing_is_left(provider, applied):
    before = present(applied)
    applied.faults.deny(f"{ELB}:SetRulePriorities")

    with pytest.raises(Fault, match=f"lacks {ELB}:SetRulePriorities") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert present(applied) == before


async def test_a_plan_that_is_throttled_before_its_first_rule_was_not_attempted(provider, applied):
    applied.faults.throttle(f"{ELB}:CreateRule", times=None)

    with pytest.raises(Fault) as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_LIMITING
    assert list(routes(applied).values()) == PLANNED


async def test_a_plan_that_is_throttled_later_does_not_promise_that_nothing_was_done(
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
@pytest.mark.parametrize("gone", range(3))
async def test_a_plan_whose_former_rules_cannot_be_deleted_is_told_to_be_in_force(
    provider, applied, refusal, code, gone
):
    former = {rule.arn for rule in present(applied).values()}
    after(applied, f"{ELB}:DeleteRule", gone, times=None, **refusal)

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
    told = await apply(provider, *NEXT, generation=13)

    assert told == {"appName": APPLICATION, "created": 0, "deleted": 0}
    assert not former & {rule.arn for rule in present(applied).values()}


async def test_a_plan_that_cannot_be_looked_at_after_it_was_written_is_told_to_be_written(
    provider, applied
):
    after(applied, f"{ELB}:DescribeRules", 1, code="AccessDenied", status=403, times=None)

    with pytest.raises(Fault, match="was written and may be in force") as raised:
        await apply(provider, *NEXT, generation=13)

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    applied.faults.clear()
    await apply(provider, *NEXT, generation=13)
    assert list(routes(applied).values()) == NEXT_PLANNED


async def test_a_deletion_that_fails_names_the_rules_that_are_left(provider, applied):
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

    told = await apply(provider, *NEXT, generation=13)

    assert told == {"appName": APPLICATION, "created": 3, "deleted": 3}
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


async def test_many_applications_at_once_find_rows_of_their_own(aws, provider):
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
    """The load balancer has as many rules as it may have."""
    for priority in range(1001, 1101 - len(present(applied))):
        applied.add_rule(groups["v8"], host="other.example.org", priority=priority)
    return applied


async def test_a_full_load_balancer_changes_in_place(provider, full):
    told = await apply(provider, *NEXT, generation=13)

    assert told == {"appName": APPLICATION, "created": 3, "deleted": 3}
    assert list(routes(full).values()) == NEXT_PLANNED
    route = await read(provider)
    assert [rule["versionId"] for rule in route["rules"]] == ["v6", "v7", "v8"]
    assert route["metadata"]["annotations"] == {"plt.dev/generation": "13"}


async def test_a_full_load_balancer_has_no_room_for_a_longer_plan(provider, full):
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
async def test_a_change_in_place_that_cannot_be_taken_back_is_told_to_be_there_in_part(
    provider, full, refusal, code
):
    before = routes(full)
    # The one that finds the load balancer full comes before.
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
async def test_a_change_in_place_that_fails_is_taken_back(provider, full, action):
    before = {priority: rule for priority, rule in routes(full).items()}
    successes = 1 if action == "CreateRule" else 0
    after(full, f"{ELB}:{action}", successes, code="InvalidLoadBalancerAction", message="so")

    with pytest.raises(Fault, match="so"):
        await apply(provider, *NEXT, generation=13)

    assert routes(full) == before
    assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v6", "v6", "v7"]
