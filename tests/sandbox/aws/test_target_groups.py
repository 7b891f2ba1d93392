"""Target groups: repeated creation, load balancers, and target health."""

from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused


def settings(aws: AwsSandbox, **more: Any) -> dict[str, Any]:
    return {
        "Name": "web",
        "Protocol": "HTTP",
        "Port": 3042,
        "VpcId": aws.vpc,
        "TargetType": "ip",
        "HealthCheckPath": "/ready",
        "HealthCheckIntervalSeconds": 10,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        **more,
    }


def health(balancing: Any, group: str, **more: Any) -> list[tuple[str, str, str | None]]:
    told = balancing.describe_target_health(TargetGroupArn=group, **more)
    return [
        (
            each["Target"]["Id"],
            each["TargetHealth"]["State"],
            each["TargetHealth"].get("Reason"),
        )
        for each in told["TargetHealthDescriptions"]
    ]


def test_creating_a_group_again_with_the_same_settings_succeeds(
    aws: AwsSandbox, balancing: Any
) -> None:
    first = balancing.create_target_group(**settings(aws))["TargetGroups"]

    assert balancing.create_target_group(**settings(aws))["TargetGroups"] == first
    with refused("DuplicateTargetGroupName", "different settings"):
        balancing.create_target_group(**settings(aws, Port=80))


@pytest.mark.parametrize("name", ["a" * 33, "a_b", "-a", "a-", "a--b"])
def test_an_invalid_group_name_is_refused(aws: AwsSandbox, balancing: Any, name: str) -> None:
    with refused("ValidationError"):
        balancing.create_target_group(**settings(aws, Name=name))


def test_a_group_lists_each_load_balancer_of_its_rules_once(
    aws: AwsSandbox, balancing: Any
) -> None:
    group = aws.add_target_group("web")
    rules = [aws.add_rule(group, host="web.example") for _ in range(3)]
    [used] = balancing.describe_target_groups(Names=["web"])["TargetGroups"]
    [balancer] = used["LoadBalancerArns"]
    by_balancer = balancing.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    with refused("ResourceInUse", "currently in use"):
        balancing.delete_target_group(TargetGroupArn=group)
    for rule in rules:
        balancing.delete_rule(RuleArn=rule)
    [unused] = balancing.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]

    assert by_balancer == [used]
    assert unused.get("LoadBalancerArns", []) == []
    assert balancing.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"] == []


def test_deleting_an_absent_group_succeeds(aws: AwsSandbox, balancing: Any) -> None:
    group = aws.add_target_group("web")
    balancing.delete_target_group(TargetGroupArn=group)
    balancing.delete_target_group(TargetGroupArn=group)

    with refused("TargetGroupNotFound"):
        balancing.describe_target_groups(TargetGroupArns=[group])
    with refused("TargetGroupNotFound"):
        balancing.describe_target_groups(Names=["web"])
    with refused("TargetGroupNotFound"):
        balancing.describe_target_health(TargetGroupArn=group)


def test_groups_are_paged(aws: AwsSandbox, balancing: Any) -> None:
    for name in ("c", "a", "b"):
        aws.add_target_group(name)
    pages = balancing.get_paginator("describe_target_groups").paginate(
        PaginationConfig={"PageSize": 2}
    )
    names = [[group["TargetGroupName"] for group in page["TargetGroups"]] for page in pages]
    assert names == [["a", "b"], ["c"]]


def test_a_target_is_unused_until_a_rule_forwards_to_its_group(
    aws: AwsSandbox, balancing: Any
) -> None:
    group = aws.add_target_group("web")
    aws.register_targets(group, "172.31.0.9")
    before = health(balancing, group)
    aws.add_rule(group, host="web.example")

    assert before == [("172.31.0.9", "unused", "Target.NotInUse")]
    assert health(balancing, group) == [("172.31.0.9", "healthy", None)]


def test_targets_become_healthy_by_age_or_by_the_test(aws: AwsSandbox, balancing: Any) -> None:
    group = aws.add_target_group("web")
    aws.add_rule(group, host="web.example")
    aws.pace.healthy_after = None
    aws.register_targets(group, "172.31.0.8", "172.31.0.9")
    fresh = health(balancing, group)
    aws.set_target_health(group, "172.31.0.8", "unhealthy")
    aws.set_target_health(group, "172.31.0.9", "draining")
    told = health(balancing, group)
    aws.set_target_health(group, None, None)
    aws.pace.healthy_after = 0

    assert [state for _, state, _ in fresh] == ["initial", "initial"]
    assert [(state, reason) for _, state, reason in told] == [
        ("unhealthy", "Target.ResponseCodeMismatch"),
        ("draining", "Target.DeregistrationInProgress"),
    ]
    assert [state for _, state, _ in health(balancing, group)] == ["healthy", "healthy"]
    asked = [{"Id": "172.31.0.8", "Port": 80}]
    assert health(balancing, group, Targets=asked) == [
        ("172.31.0.8", "unused", "Target.NotRegistered")
    ]


def test_the_tasks_of_a_service_are_targets_of_its_group(
    aws: AwsSandbox, ecs: Any, balancing: Any
) -> None:
    group = aws.add_target_group("web")
    aws.add_rule(group, host="web.example")
    service = aws.add_service("web", "shop", desired=2, target_group_arn=group)
    addresses = {
        task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
        for task in aws.tasks("shop")
    }
    told = balancing.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ecs.update_service(cluster="shop", service="web", desiredCount=1)
    fewer = health(balancing, group)
    ecs.delete_service(cluster="shop", service="web", force=True)

    balancer = {"targetGroupArn": group, "containerName": "web", "containerPort": 3042}
    assert service["loadBalancers"] == [balancer]
    assert {each["Target"]["Id"] for each in told} == addresses
    assert {(each["Target"]["Port"], each["HealthCheckPort"]) for each in told} == {(3042, "3042")}
    assert len(fewer) == 1
    assert health(balancing, group) == []


def test_a_service_requires_a_group_with_a_load_balancer(aws: AwsSandbox, ecs: Any) -> None:
    group = aws.add_target_group("web")
    aws.add_service("web", "shop", desired=1)

    def use(**more: Any) -> None:
        balancer = {"targetGroupArn": group, "containerName": "web", "containerPort": 3042}
        ecs.update_service(cluster="shop", service="web", loadBalancers=[{**balancer, **more}])

    with refused("InvalidParameterException", "does not have an associated load balancer"):
        use()
    aws.add_rule(group, host="web.example")
    with refused("InvalidParameterException", "container other does not exist"):
        use(containerName="other")
    with refused("InvalidParameterException", "did not have a container port 80"):
        use(containerPort=80)
    with refused("InvalidParameterException", "target group does not exist"):
        use(targetGroupArn=group[:-4] + "0000")
    use()
    assert aws.service("web", "shop")["loadBalancers"][0]["targetGroupArn"] == group
