"""ECS services: CreateService, UpdateService, DeleteService, and lists."""

from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused


def asked(aws: AwsSandbox, name: str = "web", **more: Any) -> dict[str, Any]:
    network = {"subnets": aws.subnets, "securityGroups": [aws.security_group]}
    return {
        "cluster": "shop",
        "serviceName": name,
        "desiredCount": 2,
        "launchType": "FARGATE",
        "taskDefinition": more.pop("definition", None) or aws.add_task_definition(name),
        "networkConfiguration": {"awsvpcConfiguration": network},
        **more,
    }


def described(ecs: Any, *names: str) -> Any:
    return ecs.describe_services(cluster="shop", services=list(names), include=["TAGS"])


def test_a_service_starts_tasks_with_its_tags(aws: AwsSandbox, ecs: Any) -> None:
    tags = [{"key": "app", "value": "web"}]
    made = ecs.create_service(**asked(aws, tags=tags, propagateTags="SERVICE"))["service"]
    deployment = made["deployments"][0]["id"]
    arns = ecs.list_tasks(cluster="shop", serviceName="web")["taskArns"]
    tasks = ecs.describe_tasks(cluster="shop", tasks=arns, include=["TAGS"])["tasks"]

    # No task has started when ECS answers.
    assert (made["runningCount"], made["pendingCount"], made["desiredCount"]) == (0, 0, 2)
    seen = {(task["group"], task["startedBy"], task["lastStatus"]) for task in tasks}
    assert seen == {("service:web", deployment, "RUNNING")}
    assert [task["tags"] for task in tasks] == [tags, tags]


def test_tags_are_propagated_only_on_request(aws: AwsSandbox) -> None:
    aws.add_service("web", "shop", tags={"app": "web"}, propagate_tags=False)
    aws.add_service("api", "shop", propagate_tags=False, enableECSManagedTags=True)

    assert [task["tags"] for task in aws.tasks("shop", "web")] == [[]]
    keys = {tag["key"] for tag in aws.tasks("shop", "api")[0]["tags"]}
    assert keys == {"aws:ecs:clusterName", "aws:ecs:serviceName"}


def test_the_description_of_a_service_shows_its_parameters(aws: AwsSandbox, ecs: Any) -> None:
    more: dict[str, Any] = {
        "healthCheckGracePeriodSeconds": 30,
        "enableECSManagedTags": True,
        "enableExecuteCommand": True,
        "propagateTags": "SERVICE",
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "maximumPercent": 150,
        },
    }
    ecs.create_service(**asked(aws, **more))
    service = described(ecs, "web")["services"][0]

    assert more["deploymentConfiguration"].items() <= service["deploymentConfiguration"].items()
    rest = {key: value for key, value in more.items() if key != "deploymentConfiguration"}
    assert rest.items() <= service.items()
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert {"createdAt", "createdBy", "platformVersion"} <= service.keys()


def test_tags_are_described_only_when_included(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop", tags={"app": "web"})
    bare = ecs.describe_services(cluster="shop", services=["web"])["services"][0]

    assert "tags" not in bare
    assert described(ecs, "web")["services"][0]["tags"] == [{"key": "app", "value": "web"}]


def test_a_second_service_of_a_name_is_a_conflict(aws: AwsSandbox, ecs: Any) -> None:
    ecs.create_service(**asked(aws))
    with refused("InvalidParameterException", "Creation of service was not idempotent"):
        ecs.create_service(**asked(aws))


def test_a_repeated_creation_with_the_same_token_returns_the_service(
    aws: AwsSandbox, ecs: Any
) -> None:
    first = asked(aws, clientToken="once")
    made = ecs.create_service(**first)["service"]

    assert ecs.create_service(**first)["service"]["serviceArn"] == made["serviceArn"]
    with refused("InvalidParameterException", "not idempotent"):
        ecs.create_service(**{**first, "desiredCount": 3})


def test_scaling_starts_and_stops_tasks_after_its_answer(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop", desired=2)
    up = ecs.update_service(cluster="shop", service="web", desiredCount=5)["service"]
    more = aws.service("web", "shop")
    ecs.update_service(cluster="shop", service="web", desiredCount=1)
    fewer = aws.service("web", "shop")
    stopped = [task for task in aws.tasks("shop") if task["lastStatus"] == "STOPPED"]

    assert (up["desiredCount"], up["runningCount"]) == (5, 2)
    assert more["runningCount"] == 5
    assert (fewer["runningCount"], len(fewer["deployments"])) == (1, 1)
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert len(stopped) == 4


def test_a_new_task_definition_replaces_the_tasks(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop", desired=2, image="registry.example/web:1")
    second = aws.add_task_definition("web", "registry.example/web:2")
    ecs.update_service(cluster="shop", service="web", taskDefinition=second)
    arns = ecs.list_tasks(cluster="shop", serviceName="web")["taskArns"]
    tasks = ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"]

    images = {task["containers"][0]["image"] for task in tasks}
    assert (len(tasks), images) == (2, {"registry.example/web:2"})
    assert aws.service("web", "shop")["taskDefinition"] == second


def test_old_tasks_stay_until_the_new_ones_run(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop", desired=1)
    aws.pace.running_after = None
    ecs.update_service(cluster="shop", service="web", forceNewDeployment=True)
    waiting = aws.service("web", "shop")
    aws.pace.running_after = 0
    done = aws.service("web", "shop")

    assert [each["status"] for each in waiting["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert (waiting["runningCount"], waiting["pendingCount"]) == (1, 1)
    assert [each["rolloutState"] for each in done["deployments"]] == ["COMPLETED"]
    assert (done["runningCount"], done["pendingCount"]) == (1, 0)


def test_a_task_that_ends_is_replaced(aws: AwsSandbox) -> None:
    aws.add_service("web", "shop", desired=1)
    [task] = aws.tasks("shop")
    aws.stop_task(task["taskArn"])

    statuses = [task["lastStatus"] for task in aws.tasks("shop")]
    assert statuses == ["STOPPED", "RUNNING"]
    assert aws.service("web", "shop")["runningCount"] == 1


def test_a_deleted_service_drains_and_becomes_inactive_and_unlisted(
    aws: AwsSandbox, ecs: Any
) -> None:
    aws.add_service("web", "shop", desired=2)
    answer = ecs.delete_service(cluster="shop", service="web", force=True)["service"]
    after = described(ecs, "web")["services"][0]

    assert (answer["status"], answer["desiredCount"]) == ("DRAINING", 0)
    assert (after["status"], after["runningCount"], after["deployments"]) == ("INACTIVE", 0, [])
    assert ecs.list_services(cluster="shop")["serviceArns"] == []
    assert ecs.list_tasks(cluster="shop")["taskArns"] == []


def test_a_service_drains_until_its_tasks_have_stopped(aws: AwsSandbox, ecs: Any) -> None:
    first = asked(aws)
    ecs.create_service(**first)
    aws.service("web", "shop")
    aws.pace.stopped_after = None
    ecs.delete_service(cluster="shop", service="web", force=True)

    assert aws.service("web", "shop")["status"] == "DRAINING"
    assert ecs.list_services(cluster="shop")["serviceArns"] == []
    with refused("InvalidParameterException", "still Draining"):
        ecs.create_service(**first)
    with refused("ServiceNotActiveException", "Service was not ACTIVE"):
        ecs.update_service(cluster="shop", service="web", desiredCount=1)
    again = ecs.delete_service(cluster="shop", service="web", force=True)["service"]
    assert again["status"] == "DRAINING"
    aws.pace.stopped_after = 0
    assert aws.service("web", "shop")["status"] == "INACTIVE"


def test_an_inactive_service_can_be_created_again_but_not_changed(
    aws: AwsSandbox, ecs: Any
) -> None:
    first = asked(aws)
    ecs.create_service(**first)
    ecs.delete_service(cluster="shop", service="web", force=True)
    aws.service("web", "shop")

    with refused("ServiceNotActiveException"):
        ecs.update_service(cluster="shop", service="web", desiredCount=1)
    again = ecs.delete_service(cluster="shop", service="web", force=True)["service"]
    assert again["status"] == "INACTIVE"
    ecs.create_service(**first)
    assert aws.service("web", "shop")["status"] == "ACTIVE"


def test_a_service_with_tasks_is_deleted_only_by_force(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop")
    with refused("InvalidParameterException", "scaled above 0"):
        ecs.delete_service(cluster="shop", service="web")


def test_services_are_listed_ten_to_a_page(aws: AwsSandbox, ecs: Any) -> None:
    definition = aws.add_task_definition("web")
    for number in range(23):
        aws.add_service(f"web-{number}", "shop", desired=0, task_definition=definition)
    found = ecs.get_paginator("list_services").paginate(cluster="shop")
    pages = [page["serviceArns"] for page in found]

    assert [len(page) for page in pages] == [10, 10, 3]
    assert len({arn for page in pages for arn in page}) == 23
    assert len(ecs.list_services(cluster="shop", maxResults=100)["serviceArns"]) == 23
    with refused("InvalidParameterException", "maxResults"):
        ecs.list_services(cluster="shop", maxResults=101)
    with refused("InvalidParameterException", "Invalid token"):
        ecs.list_services(cluster="shop", nextToken="nonsense")


def test_a_cluster_has_only_its_own_services(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop-2")

    assert ecs.list_services(cluster="shop")["serviceArns"] == []
    assert described(ecs, "web")["failures"][0]["reason"] == "MISSING"


def test_an_absent_service_is_a_failure_and_no_error(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_service("web", "shop")
    answer = described(ecs, "absent", "web")
    [failure] = answer["failures"]

    assert [service["serviceName"] for service in answer["services"]] == ["web"]
    # For a name, the ARN does not contain a cluster.
    assert failure["arn"].endswith(":service/absent")
    assert failure["reason"] == "MISSING"


def test_services_are_described_in_the_requested_order_ten_at_most(
    aws: AwsSandbox, ecs: Any
) -> None:
    names = ["c", "a", "b"]
    for name in sorted(names):
        aws.add_service(name, "shop", desired=0)

    found = described(ecs, *names)["services"]
    assert [service["serviceName"] for service in found] == names
    with refused("InvalidParameterException", "at most 10"):
        described(ecs, *(f"web-{number}" for number in range(11)))
    with refused("InvalidParameterException", "cannot be empty"):
        described(ecs)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"cluster": "absent"}, "ClusterNotFoundException", "Cluster not found"),
        ({"cluster": "a/b"}, "InvalidParameterException", "Invalid cluster name"),
        ({"serviceName": "a.b"}, "InvalidParameterException", "serviceName"),
        ({"definition": "absent"}, "ClientException", "TaskDefinition not found"),
        ({"desiredCount": -1}, "InvalidParameterException", "desiredCount"),
        ({"networkConfiguration": {}}, "InvalidParameterException", "Network Configuration"),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}},
            "InvalidParameterException",
            "subnet-0.*does not exist",
        ),
        (
            {"tags": [{"key": f"k{number}", "value": ""} for number in range(51)]},
            "InvalidParameterException",
            "50",
        ),
    ],
)
def test_an_invalid_service_is_refused(
    aws: AwsSandbox, ecs: Any, change: dict[str, Any], code: str, message: str
) -> None:
    with refused(code, message):
        ecs.create_service(**asked(aws, **change))


def test_a_definition_that_was_deregistered_starts_nothing_new(aws: AwsSandbox, ecs: Any) -> None:
    definition = aws.add_task_definition("web")
    ecs.deregister_task_definition(taskDefinition=definition)
    with refused("ClientException", "inactive"):
        ecs.create_service(**asked(aws, definition=definition))


def test_fargate_requires_a_compatible_definition(aws: AwsSandbox, ecs: Any) -> None:
    container = {"name": "web", "image": "i", "memory": 128}
    ecs.register_task_definition(family="plain", containerDefinitions=[container])
    with refused("InvalidParameterException", "does not support launch_type FARGATE"):
        ecs.create_service(**asked(aws, definition="plain"))


def test_an_unknown_service_cannot_be_changed(ecs: Any) -> None:
    with refused("ServiceNotFoundException", "Service not found"):
        ecs.update_service(cluster="shop", service="absent", desiredCount=1)
    with refused("ServiceNotFoundException"):
        ecs.delete_service(cluster="shop", service="absent")
    with refused("ServiceNotFoundException"):
        ecs.list_tasks(cluster="shop", serviceName="absent")


def test_an_arn_names_the_service_and_its_own_cluster_only(aws: AwsSandbox, ecs: Any) -> None:
    arn = aws.add_service("web", "shop")["serviceArn"]
    cluster = aws.service("web", "shop")["clusterArn"]
    found = ecs.describe_services(cluster=cluster, services=[arn])["services"]
    aws.add_cluster("other")

    assert [service["serviceName"] for service in found] == ["web"]
    with refused("InvalidParameterException", "Identifier is for cluster shop"):
        ecs.describe_services(cluster="other", services=[arn])


def test_a_deployment_that_failed_starts_no_task_until_the_next_one(
    aws: AwsSandbox, ecs: Any
) -> None:
    aws.add_service("web", "shop", desired=2)
    aws.trip_circuit_breaker("web", "shop")
    [deployment] = described(ecs, "web")["services"][0]["deployments"]

    ecs.update_service(cluster="shop", service="web", desiredCount=3)

    assert (deployment["rolloutState"], deployment["failedTasks"]) == ("FAILED", 3)
    assert described(ecs, "web")["services"][0]["runningCount"] == 0
    ecs.update_service(cluster="shop", service="web", forceNewDeployment=True)
    assert described(ecs, "web")["services"][0]["runningCount"] == 3


def test_a_deployment_that_failed_is_rolled_back_to_one_that_runs(
    aws: AwsSandbox, ecs: Any
) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    aws.add_service("web", "shop", desired=2, deploymentConfiguration=breaker)
    former = aws.service("web", "shop")["taskDefinition"]
    aws.pace.running_after = None
    ecs.update_service(
        cluster="shop", service="web", taskDefinition=aws.add_task_definition("web", "other:1")
    )

    aws.trip_circuit_breaker("web", "shop")

    [service] = described(ecs, "web")["services"]
    assert (service["taskDefinition"], service["runningCount"]) == (former, 2)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
