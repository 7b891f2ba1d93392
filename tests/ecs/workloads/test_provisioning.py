"""The resources that a service refers to, under concurrent changes and lost answers."""

import pytest

from contracts.faults import Code, Fault
from tests.ecs.workloads.builders import NAME, apply, delete
from tests.ecs.workloads.inventory import NOTHING, inventory, rules
from worker.providers.ecs.workloads import cloud_map

GROUP = "orders-api-v7-1d1284"


@pytest.fixture
def aws(aws):
    aws.add_listener()
    aws.add_cloud_map_namespace("apps.internal")
    return aws


WHOLE = {
    "services": [NAME],
    "task definitions": [f"{NAME}:1"],
    "secrets": [f"{NAME}-pull"],
    "names": [NAME],
    "target groups": [GROUP],
    "rules": 1,
}


@pytest.mark.parametrize(
    "action",
    [
        "secretsmanager:CreateSecret",
        "servicediscovery:CreateService",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:CreateRule",
        "ecs:CreateService",
    ],
)
async def test_a_step_whose_answer_is_lost_has_one_effect(aws, provider, action):
    aws.faults.add(action, disconnect="after")

    answer = await apply(provider)

    assert answer["created"] is True
    assert inventory(aws) == WHOLE


async def test_a_target_group_created_meanwhile_is_used(aws, provider):
    aws.faults.add("elasticloadbalancing:DescribeTargetGroups", "TargetGroupNotFound")
    aws.add_target_group(GROUP, port=80)

    answer = await apply(provider)

    assert answer["targetGroupArn"] in aws.account.balancing.target_groups
    assert inventory(aws) == WHOLE


async def test_an_existing_target_group_is_used_and_updated(aws, provider):
    group = aws.add_target_group(GROUP)

    answer = await apply(provider)

    assert answer["targetGroupArn"] == group
    assert aws.account.balancing.target_groups[group].health_check_path == "/ready"
    assert aws.calls.count("elasticloadbalancing:CreateTargetGroup") == 0


async def test_a_target_group_with_a_rule_gets_no_placeholder_rule(aws, provider):
    group = aws.add_target_group(GROUP)
    theirs = aws.add_rule(group, host="shop.example")

    await apply(provider)

    assert [rule.arn for rule in rules(aws)] == [theirs]


async def test_a_reused_target_group_is_not_deleted_by_the_undo(aws, provider):
    aws.add_target_group(GROUP)
    aws.faults.deny("ecs:CreateService")

    with pytest.raises(Fault):
        await apply(provider)

    assert inventory(aws) == NOTHING | {"target groups": [GROUP]}


async def test_the_undo_deletes_a_target_group_after_its_rule(aws, provider):
    aws.faults.deny("ecs:CreateService")
    aws.faults.add("elasticloadbalancing:DeleteTargetGroup", "ResourceInUse", times=3)

    with pytest.raises(Fault) as raised:
        await apply(provider)

    assert "Left behind" not in raised.value.message
    assert inventory(aws) == NOTHING


async def test_an_existing_cloud_map_service_is_used_and_not_deleted_by_the_undo(aws, provider):
    aws.account.cloud_map.create_service(
        NAME, aws.namespace_id, "", "theirs", {"DnsRecords": []}, {}, {}, [], "DNS"
    )
    aws.faults.deny("ecs:CreateService", times=1)

    with pytest.raises(Fault):
        await apply(provider)
    assert inventory(aws) == NOTHING | {"names": [NAME]}

    answer = await apply(provider)
    assert answer["endpoint"] == {"hostname": f"{NAME}.apps.internal", "port": 3042}
    assert inventory(aws) == WHOLE | {"task definitions": [f"{NAME}:2"]}


async def test_a_cloud_map_name_that_differs_only_in_case_is_a_conflict(aws, provider):
    message = "Service already exists."
    aws.faults.add("servicediscovery:CreateService", "ServiceAlreadyExists", message=message)

    with pytest.raises(Fault, match=message) as raised:
        await apply(provider)

    assert raised.value.code is Code.CONFLICT
    assert inventory(aws) == NOTHING


async def test_a_priority_taken_meanwhile_is_replaced(aws, provider):
    aws.faults.add("elasticloadbalancing:CreateRule", "PriorityInUse", times=2)

    await apply(provider)

    assert inventory(aws) == WHOLE


async def test_priorities_that_are_always_taken_are_a_retryable_fault(aws, provider):
    aws.faults.add("elasticloadbalancing:CreateRule", "PriorityInUse", times=None)

    with pytest.raises(Fault, match="priorities") as raised:
        await apply(provider)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert aws.calls.count("elasticloadbalancing:CreateRule") == 4
    assert inventory(aws) == NOTHING


async def test_placeholder_rules_have_high_priorities(aws, provider):
    for number in range(3):
        await apply(provider, name=f"web-{number}", labels={})

    assert sorted(int(rule.priority) for rule in rules(aws)) == [48_998, 48_999, 49_000]


async def test_all_pages_of_a_listener_are_read(aws, provider):
    group = aws.add_target_group("full")
    for number in range(70):
        aws.add_rule(group, host=f"host-{number}.example", priority=49_000 - number)

    await apply(provider)

    assert int(rules(aws)[-1].priority) == 48_930


@pytest.mark.parametrize("missing", ["DescribeListeners", "DescribeLoadBalancers"])
async def test_a_deleted_listener_is_not_found_and_nothing_is_left(aws, provider, missing):
    code = {
        "DescribeListeners": "ListenerNotFound",
        "DescribeLoadBalancers": "LoadBalancerNotFound",
    }
    aws.faults.add(f"elasticloadbalancing:{missing}", code[missing], times=None)

    with pytest.raises(Fault) as raised:
        await apply(provider)

    assert raised.value.code is Code.NOT_FOUND
    assert inventory(aws) == NOTHING


ENTRY_NAMES = [
    ("web", "web"),
    ("My_App-1", "My_App-1"),
    ("a" * 63, "a" * 63),
    ("a" * 64, "a" * 56 + "-"),
    ("-web", "web-"),
    ("web-", "web-9"),
    ("-", "service-"),
]


@pytest.mark.parametrize(("service", "expected"), ENTRY_NAMES)
def test_each_service_has_a_valid_dns_label(service, expected):
    found = cloud_map.entry_name(service)

    assert found.startswith(expected)
    assert len(found) <= 63
    assert found.strip("-") == found
    assert (found == service) is (expected == service)


async def test_the_hostname_of_a_long_name_is_its_dns_label(aws, provider):
    name = "w" * 100

    answer = await apply(provider, name=name, labels={})
    assert answer["endpoint"]["hostname"] == f"{cloud_map.entry_name(name)}.apps.internal"
    await delete(provider, name=name)

    assert inventory(aws)["names"] == []
