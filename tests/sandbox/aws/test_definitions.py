"""Task definitions: Fargate sizes, the revision of a family, and lists."""

from typing import Any

import pytest

from deploy.sandbox.aws import fargate
from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused


def definition(**more: Any) -> dict[str, Any]:
    container = {"name": "web", "image": "registry.example/web:1", "essential": True}
    return {
        "family": "web",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [container],
        **more,
    }


@pytest.mark.parametrize(
    ("cpu", "memory", "exists"),
    [
        ("256", "512", True),
        ("256", "2048", True),
        ("256", "3072", False),
        ("512", "512", False),
        ("512", "2500", False),
        ("1024", "8192", True),
        ("4096", "30720", True),
        ("8192", "16384", True),
        ("8192", "17408", False),
        ("16384", "122880", True),
        ("300", "512", False),
        ("1 vCPU", "3 GB", True),
        (".25 vCPU", "0.5GB", True),
        ("many", "512", False),
    ],
)
def test_fargate_has_fixed_sizes(cpu: str, memory: str, exists: bool) -> None:
    assert (fargate.problem(cpu, memory) is None) is exists


def test_a_size_that_fargate_lacks_is_refused(ecs: Any) -> None:
    with refused("ClientException", "No Fargate configuration exists for given values"):
        ecs.register_task_definition(**definition(cpu="512", memory="2500"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpu": ""}, "'cpu' be defined"),
        ({"memory": ""}, "'memory' be defined"),
        ({"networkMode": "bridge"}, "awsvpc"),
        ({"family": "a.b"}, "Family"),
        ({"containerDefinitions": []}, "cannot be empty"),
        ({"containerDefinitions": [{"name": "web"}]}, "image"),
        (
            {
                "containerDefinitions": [
                    {"name": "web", "image": "i", "logConfiguration": {"logDriver": "awslogs"}}
                ]
            },
            "execution role",
        ),
    ],
)
def test_an_invalid_definition_is_refused(ecs: Any, change: dict[str, Any], message: str) -> None:
    code = "InvalidParameterException" if "family" in change else "ClientException"
    with refused(code, message):
        ecs.register_task_definition(**definition(**change))


def test_a_family_means_its_newest_active_revision(ecs: Any) -> None:
    arns = [
        ecs.register_task_definition(**definition())["taskDefinition"]["taskDefinitionArn"]
        for _ in range(3)
    ]
    ecs.deregister_task_definition(taskDefinition=arns[2])

    def described(name: str) -> Any:
        return ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]

    assert described("web")["taskDefinitionArn"] == arns[1]
    assert described("web:3")["status"] == "INACTIVE"
    with refused("ClientException", "Unable to describe task definition"):
        described("absent")


def test_revisions_are_listed_sorted_and_paged(aws: AwsSandbox, ecs: Any) -> None:
    arns = [aws.add_task_definition("web") for _ in range(12)]
    aws.add_task_definition("web-other")
    ecs.deregister_task_definition(taskDefinition=arns[0])
    pages = ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix="web", sort="DESC", PaginationConfig={"PageSize": 5}
    )

    assert [arn for page in pages for arn in page["taskDefinitionArns"]] == arns[:0:-1]
    inactive = ecs.list_task_definitions(familyPrefix="web", status="INACTIVE")
    assert inactive["taskDefinitionArns"] == arns[:1]


def test_an_unknown_revision_cannot_be_deregistered(ecs: Any) -> None:
    with refused("ClientException"):
        ecs.deregister_task_definition(taskDefinition="web:7")
