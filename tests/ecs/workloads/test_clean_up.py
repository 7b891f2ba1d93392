"""The deletion of a controller on ECS with its other resources."""

import asyncio

import pytest

from contracts.faults import Code, Fault
from tests.calls import AMPLE_S, ample, pass_time
from tests.ecs.workloads.builders import CLUSTER, NAME, apply, delete, worker
from tests.ecs.workloads.inventory import NOTHING, inventory, rules
from tests.stack import BOUND_S, eventually
from worker.providers.ecs.elb import target_groups

GROUP = "orders-api-v7-1d1284"
MARKS = {"plt.dev/managed-by": "icc", "plt.dev/cluster": CLUSTER}


async def test_all_resources_of_a_service_are_deleted_with_it(whole):
    async with worker(whole) as provider:
        await apply(provider)
        call = ample()
        answer = await delete(provider, call)

    assert answer == {"name": NAME, "deleted": True}
    assert (call.before["replicas"], call.before["running"]) == (2, 2)
    assert call.after == {"exists": False}
    assert inventory(whole) == NOTHING | {"task definitions": [f"{NAME}:1"]}
    [namespace] = whole.account.cloud_map.namespaces.values()
    assert namespace.name == "apps.internal"


async def test_unconfigured_services_cost_no_requests(aws):
    async with worker(aws) as provider:
        await apply(provider, pullSecret=None)
        aws.calls.clear()
        answer = await delete(provider)

    assert answer == {"name": NAME, "deleted": True}
    assert aws.calls.actions() == [
        "ecs:DescribeServices",
        "ecs:DeleteService",
        "secretsmanager:DescribeSecret",
    ]


async def test_rules_of_route_plans_are_deleted_and_other_rules_stay(whole):
    async with worker(whole) as provider:
        await apply(provider)
        [group] = whole.account.balancing.target_groups
        other = whole.add_target_group("other")
        whole.add_rule(group, host="ours.example", tags=MARKS)
        whole.add_rule(other, host="other.example", tags=MARKS)
        await delete(provider)

    assert [rule.conditions[0]["HostHeaderConfig"]["Values"] for rule in rules(whole)] == [
        ["other.example"]
    ]
    assert inventory(whole)["target groups"] == ["other"]


async def test_a_foreign_rule_keeps_the_target_group_and_the_answer_says_so(whole):
    async with worker(whole) as provider:
        await apply(provider)
        [group] = whole.account.balancing.target_groups
        whole.add_rule(group, host="hand.example")
        call = ample()
        answer = await delete(provider, call)

    [left] = answer["left"]
    assert left.startswith(f'the target group "{GROUP}": ')
    assert "ResourceInUse" in left
    assert call.after == {"exists": False, "left": [left]}
    assert len(rules(whole)) == 1
    assert inventory(whole)["secrets"] == inventory(whole)["names"] == []


REFUSED = [
    ("elasticloadbalancing:DescribeTargetGroups", "the target group"),
    ("elasticloadbalancing:DescribeRules", "the target group"),
    ("elasticloadbalancing:DeleteRule", "the target group"),
    ("elasticloadbalancing:DeleteTargetGroup", "the target group"),
    ("servicediscovery:ListServices", "the name"),
    ("servicediscovery:ListInstances", "the name"),
    ("servicediscovery:DeregisterInstance", "the name"),
    ("servicediscovery:DeleteService", "the name"),
    ("secretsmanager:DescribeSecret", "the secret"),
    ("secretsmanager:DeleteSecret", "the secret"),
]


@pytest.mark.parametrize(("action", "what"), REFUSED)
async def test_a_failed_step_is_reported_and_does_not_stop_the_others(whole, action, what):
    async with worker(whole) as provider:
        await apply(provider)
        # An instance that ECS has not deregistered yet.
        [entry] = whole.account.cloud_map.services
        whole.account.cloud_map.register_instance(entry, "task", "", {})
        whole.pace.stopped_after = None
        whole.faults.deny(action)
        answer = await delete(provider)

        assert answer["deleted"] is True
        [left] = answer["left"]
        assert left.startswith(what)
        assert f"lacks {action}" in left
        found = inventory(whole)
        kinds = ("secrets", "names", "target groups")
        assert sum(bool(found[kind]) for kind in kinds) == 1

        whole.faults.clear()
        assert "left" not in await delete(provider)
    assert inventory(whole) == NOTHING | {"task definitions": [f"{NAME}:1"]}


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("elasticloadbalancing:DeleteTargetGroup", "target groups"),
        ("servicediscovery:DeleteService", "names"),
    ],
)
async def test_the_deletion_of_a_resource_in_use_is_retried(whole, action, kind):
    async with worker(whole) as provider:
        await apply(provider)
        whole.faults.add(action, "ResourceInUse", times=3)
        answer = await delete(provider)

    assert "left" not in answer
    assert inventory(whole)[kind] == []


async def test_a_rule_deleted_meanwhile_does_not_keep_the_target_group(whole):
    async with worker(whole) as provider:
        await apply(provider)
        whole.faults.add(
            "elasticloadbalancing:DescribeTags",
            "RuleNotFound",
            parameters={"ResourceArns": [rules(whole)[0].arn]},
        )
        answer = await delete(provider)

    assert "left" not in answer
    assert (inventory(whole)["target groups"], rules(whole)) == ([], [])


async def test_a_cloud_map_service_that_stays_in_use_is_reported(whole):
    async with worker(whole) as provider:
        await apply(provider)
        whole.faults.add("servicediscovery:DeleteService", "ResourceInUse", times=None)
        answer = await delete(provider)

    assert len(whole.calls.matching("servicediscovery:DeleteService")) == 4
    [left] = answer["left"]
    assert left.startswith(f'the name "{NAME}" in Cloud Map: ')


async def test_a_clean_up_beyond_the_deadline_is_stopped_and_reported(whole):
    async with worker(whole) as provider:
        await apply(provider)
        held = whole.faults.add("secretsmanager:DescribeSecret", delay=2 * BOUND_S)
        deleting = asyncio.create_task(delete(provider, ample()))

        def all_others_are_deleted() -> bool:
            found = inventory(whole)
            return bool(held.hits) and not (found["target groups"] or found["names"])

        await asyncio.to_thread(eventually, all_others_are_deleted)
        pass_time(AMPLE_S)
        answer = await deleting

    assert answer["left"] == [f'the secret "{NAME}-pull": no time was left before the deadline']


async def test_a_refused_deletion_deletes_nothing_else(whole):
    async with worker(whole) as provider:
        await apply(provider)
        before = inventory(whole)
        whole.faults.deny("ecs:DeleteService")
        with pytest.raises(Fault) as raised:
            await delete(provider)

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert inventory(whole) == before


@pytest.mark.parametrize("stopped_after", [0, None])
async def test_a_repeat_completes_an_interrupted_deletion(whole, stopped_after):
    async with worker(whole) as provider:
        await apply(provider)
        whole.pace.stopped_after = stopped_after
        async with worker(
            whole, PLT_ECS_LISTENER_ARN="", PLT_ECS_CLOUD_MAP_NAMESPACE_ID=""
        ) as partial:
            await delete(partial)
        assert inventory(whole)["target groups"] == [GROUP]

        assert await delete(provider) == {"name": NAME, "deleted": True}
        assert inventory(whole) == NOTHING | {"task definitions": [f"{NAME}:1"]}


async def test_a_second_deletion_is_not_found(whole):
    async with worker(whole) as provider:
        await apply(provider)
        await delete(provider)
        with pytest.raises(Fault, match=f'no controller "{NAME}"') as raised:
            await delete(provider)

    assert raised.value.code is Code.NOT_FOUND


async def test_an_absent_service_is_not_found_after_one_request(whole):
    whole.add_target_group(GROUP, tags=MARKS)
    async with worker(whole) as provider:
        with pytest.raises(Fault) as raised:
            await delete(provider)

    assert raised.value.code is Code.NOT_FOUND
    assert whole.calls.actions() == ["ecs:DescribeServices"]


async def test_foreign_resources_stay_and_are_reported(whole):
    group = whole.add_target_group(GROUP)
    whole.add_service(NAME, CLUSTER)
    whole.account.secrets.create_secret(
        f"{NAME}-pull", "theirs", None, None, None, None, None, [], False
    )
    whole.account.cloud_map.create_service(
        NAME, whole.namespace_id, "", "theirs", {"DnsRecords": []}, {}, {}, [], "DNS"
    )
    async with worker(whole) as provider:
        answer = await delete(provider)

    assert len(answer["left"]) == 3
    assert all("not made by machinist" in left for left in answer["left"])
    assert inventory(whole)["secrets"] == [f"{NAME}-pull"]
    assert inventory(whole)["names"] == [NAME]
    assert group in whole.account.balancing.target_groups


async def test_resources_without_a_cluster_tag_are_deleted(whole):
    group = whole.add_target_group(GROUP, tags={"plt.dev/managed-by": "icc"})
    whole.add_rule(group, host="shop.example", tags={"plt.dev/managed-by": "icc"})
    whole.add_service(NAME, CLUSTER, target_group_arn=group)
    async with worker(whole) as provider:
        answer = await delete(provider)

    assert answer == {"name": NAME, "deleted": True}
    assert (inventory(whole)["target groups"], rules(whole)) == ([], [])


GROUP_NAMES = [
    ("my-app-v1", "my-app-v1-8f4f08"),
    ("my_app", "my-app-"),
    ("___", "service-bda251"),
    ("-", "service-"),
    ("_a", "a-"),
    ("a" * 255, f"{'a' * 25}-"),
]


@pytest.mark.parametrize(("service", "expected"), GROUP_NAMES)
def test_each_service_has_a_valid_target_group_name(service, expected):
    found = target_groups.group_name(service)

    assert found.startswith(expected)
    assert len(found) <= 32
    assert found.strip("-") == found
    assert found.replace("-", "").isalnum()
