"""ECS tasks: run, listed, described and stopped."""

import re
from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused


def run(aws: AwsSandbox, ecs: Any, **more: Any) -> Any:
    network = {"subnets": aws.subnets[:1], "securityGroups": [aws.security_group]}
    return ecs.run_task(
        **{
            "cluster": "shop",
            "taskDefinition": aws.add_task_definition("job"),
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
            **more,
        }
    )


def test_a_running_task_describes_its_containers(aws: AwsSandbox, ecs: Any) -> None:
    sidecar = {"name": "log", "image": "registry.example/log:3", "memory": 64}
    definition = aws.add_task_definition("job", "registry.example/job:1", containers=[sidecar])
    [started] = run(aws, ecs, taskDefinition=definition, count=1)["tasks"]
    [task] = ecs.describe_tasks(cluster="shop", tasks=[started["taskArn"]])["tasks"]
    details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}

    assert (started["lastStatus"], "startedAt" in started) == ("PROVISIONING", False)
    assert (task["lastStatus"], task["cpu"], task["memory"]) == ("RUNNING", "256", "512")
    assert task["group"] == "family:job"
    assert task["createdAt"] <= task["startedAt"]
    assert re.fullmatch(r"[0-9a-f]{32}", task["taskArn"].rsplit("/", 1)[1])
    assert [each["name"] for each in task["containers"]] == ["job", "log"]
    for container in task["containers"]:
        assert container["lastStatus"] == "RUNNING"
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", container["imageDigest"])
        assert (
            container["networkInterfaces"][0]["privateIpv4Address"]
            == (details["privateIPv4Address"])
        )
    assert details["subnetId"] == aws.subnets[0]


def test_one_image_has_one_digest(aws: AwsSandbox) -> None:
    for image in ("registry.example/a:1", "registry.example/a:1", "registry.example/a:2"):
        aws.add_task("shop", image=image)
    digests = [task["containers"][0]["imageDigest"] for task in aws.tasks("shop")]

    assert digests[0] == digests[1] != digests[2]


def test_describing_a_task_does_not_change_it(aws: AwsSandbox, ecs: Any) -> None:
    arn = aws.add_task("shop")
    statuses = {
        ecs.describe_tasks(cluster="shop", tasks=[arn])["tasks"][0]["lastStatus"] for _ in range(6)
    }
    assert statuses == {"RUNNING"}


def test_health_comes_from_containers_with_a_health_check(aws: AwsSandbox, ecs: Any) -> None:
    checked = {"name": "c", "image": "i", "healthCheck": {"command": ["CMD", "true"]}}
    plain = aws.add_task("shop")
    definition = aws.add_task_definition("checked", containers=[checked])
    watched = aws.add_task("shop", task_definition=definition)
    tasks = ecs.describe_tasks(cluster="shop", tasks=[plain, watched])["tasks"]
    aws.set_task_health(watched, "UNHEALTHY")

    assert [task["healthStatus"] for task in tasks] == ["UNKNOWN", "HEALTHY"]
    assert aws.tasks("shop")[1]["healthStatus"] == "UNHEALTHY"


def test_a_task_starts_after_the_pace_of_the_test(aws: AwsSandbox) -> None:
    aws.pace.running_after = None
    aws.add_task("shop")
    [waiting] = aws.tasks("shop")
    aws.pace.running_after = 0
    [running] = aws.tasks("shop")

    assert (waiting["lastStatus"], waiting["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert "imageDigest" not in waiting["containers"][0]
    assert running["lastStatus"] == "RUNNING"


def test_running_tasks_are_listed_by_default(aws: AwsSandbox, ecs: Any) -> None:
    stopped, running = aws.add_task("shop"), aws.add_task("shop")
    aws.stop_task(stopped)

    assert ecs.list_tasks(cluster="shop")["taskArns"] == [running]
    assert ecs.list_tasks(cluster="shop", desiredStatus="STOPPED")["taskArns"] == [stopped]
    assert ecs.list_tasks(cluster="shop", desiredStatus="PENDING")["taskArns"] == []


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({"serviceName": "web"}, {"service:web"}),
        ({"family": "batch"}, {"family:batch"}),
        ({"startedBy": "cron"}, {"family:cron"}),
        ({"launchType": "EC2"}, set()),
        ({}, {"service:web", "family:batch", "family:cron"}),
    ],
)
def test_tasks_are_filtered(aws: AwsSandbox, ecs: Any, wish: Any, found: set[str]) -> None:
    aws.add_service("web", "shop")
    aws.add_service("web", "shop-2")
    aws.add_task("shop", family="batch")
    aws.add_task("shop", family="cron", started_by="cron")
    arns = ecs.list_tasks(cluster="shop", **wish)["taskArns"]
    groups = {task["group"] for task in aws.tasks("shop") if task["taskArn"] in arns}

    assert groups == found


def test_tasks_are_listed_a_hundred_to_a_page(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop", desired=230)
    pages = list(ecs.get_paginator("list_tasks").paginate(cluster="shop"))

    assert [len(page["taskArns"]) for page in pages] == [100, 100, 30]
    assert len({arn for page in pages for arn in page["taskArns"]}) == 230
    assert len(ecs.list_tasks(cluster="shop", maxResults=7)["taskArns"]) == 7


def test_tasks_that_end_between_two_pages_skip_no_other(aws: AwsSandbox, ecs: Any) -> None:
    arns = sorted(aws.add_task("shop") for _ in range(6))
    first = ecs.list_tasks(cluster="shop", maxResults=3)
    for arn in first["taskArns"]:
        aws.stop_task(arn)
    second = ecs.list_tasks(cluster="shop", maxResults=3, nextToken=first["nextToken"])

    assert first["taskArns"] + second["taskArns"] == arns


def test_tasks_are_described_in_the_requested_order_with_failures(
    aws: AwsSandbox, ecs: Any
) -> None:
    one, two = aws.add_task("shop"), aws.add_task("shop")
    absent = "0" * 32
    answer = ecs.describe_tasks(cluster="shop", tasks=[two, absent, one.rsplit("/", 1)[1]])

    assert [task["taskArn"] for task in answer["tasks"]] == [two, one]
    [failure] = answer["failures"]
    assert failure["reason"] == "MISSING"
    assert failure["arn"].endswith(f":task/shop/{absent}")


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "cannot be empty"),
        ([f"{number:032x}" for number in range(101)], "at most 100"),
        (["absent"], r"taskId length should be one of \[32,36\]"),
        (["z" * 32], "hexadecimal"),
        (["arn:aws:ecs:eu-central-1:123456789012:task/other/" + "0" * 32], "is for cluster other"),
        (["arn:aws:ecs:eu-central-1:123456789012:service/shop/web"], "not a task ARN"),
    ],
)
def test_an_invalid_task_id_is_refused(ecs: Any, tasks: list[str], message: str) -> None:
    with refused("InvalidParameterException", message):
        ecs.describe_tasks(cluster="shop", tasks=tasks)


@pytest.mark.parametrize(
    "cluster", ["absent", "arn:aws:ecs:eu-central-1:000000000000:cluster/shop"]
)
def test_an_unknown_cluster_has_no_tasks(ecs: Any, cluster: str) -> None:
    with refused("ClusterNotFoundException", "Cluster not found"):
        ecs.list_tasks(cluster=cluster)


def test_a_stopped_task_has_a_time_and_a_reason(aws: AwsSandbox, ecs: Any) -> None:
    arn = aws.add_task("shop")
    answer = ecs.stop_task(cluster="shop", task=arn, reason="enough")["task"]
    [task] = ecs.describe_tasks(cluster="shop", tasks=[arn])["tasks"]

    assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "UserInitiated")
    assert task["stoppedReason"] == "enough"
    assert task["stoppedAt"] >= task["startedAt"]
    assert task["containers"][0]["lastStatus"] == "STOPPED"
    with refused("InvalidParameterException", "not found"):
        ecs.stop_task(cluster="shop", task="0" * 32)


def test_at_most_ten_tasks_are_run_at_once(aws: AwsSandbox, ecs: Any) -> None:
    assert len(run(aws, ecs, count=10, tags=[{"key": "a", "value": "b"}])["tasks"]) == 10
    with refused("InvalidParameterException", "between 1 and 10"):
        run(aws, ecs, count=11)
    with refused("InvalidParameterException", "Network Configuration must be provided"):
        run(aws, ecs, networkConfiguration={})


def test_tags_of_tasks_and_services_are_added_merged_and_removed(aws: AwsSandbox, ecs: Any) -> None:
    task = aws.add_task("shop", tags={"a": "1"})
    service = aws.add_service("web", "shop", tags={"a": "1"})["serviceArn"]
    definition = aws.service("web", "shop")["taskDefinition"]
    for arn in (task, service, definition):
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "2"}])
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "3"}])
        both = ecs.list_tags_for_resource(resourceArn=arn)["tags"]
        ecs.untag_resource(resourceArn=arn, tagKeys=["a", "absent"])
        rest = ecs.list_tags_for_resource(resourceArn=arn)["tags"]

        assert {tag["key"]: tag["value"] for tag in both} == {"a": "2", "b": "3"}
        assert rest == [{"key": "b", "value": "3"}]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({f"k{number}": "" for number in range(50)}, "50"),
        ({"aws:x": "1"}, "aws:"),
        ({"a{b": "1"}, "Invalid tag key"),
        ({"a": "b?"}, "Invalid tag value"),
        ({"a": "b" * 257}, "Invalid tag value"),
    ],
)
def test_invalid_tags_are_refused(
    aws: AwsSandbox, ecs: Any, tags: dict[str, str], message: str
) -> None:
    arn = aws.add_task("shop", tags={"own": "1", "aws:ecs:clusterName": "shop"})
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    with refused("InvalidParameterException", message):
        ecs.tag_resource(resourceArn=arn, tags=listed)


def test_deleted_resources_cannot_be_tagged(aws: AwsSandbox, ecs: Any) -> None:
    arn = aws.add_task("shop")
    aws.stop_task(arn)
    tags = [{"key": "a", "value": "b"}]
    with refused("InvalidParameterException", "stopped"):
        ecs.tag_resource(resourceArn=arn, tags=tags)
    with refused("InvalidParameterException", "not found"):
        ecs.tag_resource(resourceArn=arn[:-32] + "0" * 32, tags=tags)
    service = aws.add_service("web", "shop")["serviceArn"]
    with refused("ServiceNotFoundException"):
        ecs.tag_resource(resourceArn=service + "x", tags=tags)
