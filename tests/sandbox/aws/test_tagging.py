"""The Resource Groups Tagging API: filters and pages."""

from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused


def found(tagging: Any, **wish: Any) -> list[str]:
    """Return the last parts of the ARNs."""
    pages = tagging.get_paginator("get_resources").paginate(**wish)
    arns = [each["ResourceARN"] for page in pages for each in page["ResourceTagMappingList"]]
    return sorted(arn.replace("/", ":").rsplit(":", 1)[1] for arn in arns)


def tag(key: str, *values: str) -> dict[str, Any]:
    return {"Key": key, "Values": list(values)}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([tag("app", "web")], ["web", "web-2"]),
        ([tag("app", "web", "api")], ["api", "web", "web-2"]),
        ([tag("app", "web"), tag("version", "2")], ["web-2"]),
        ([tag("version")], ["web", "web-2"]),
        ([tag("app", "absent")], []),
        ([], ["api", "web", "web-2"]),
    ],
)
def test_values_are_alternatives_and_all_keys_must_match(
    aws: AwsSandbox, tagging: Any, filters: list[Any], names: list[str]
) -> None:
    aws.add_service("web", "shop", desired=0, tags={"app": "web", "version": "1"})
    aws.add_service("web-2", "shop", desired=0, tags={"app": "web", "version": "2"})
    aws.add_service("api", "other", desired=0, tags={"app": "api"})
    aws.add_service("untagged", "shop", desired=0)

    assert found(tagging, ResourceTypeFilters=["ecs:service"], TagFilters=filters) == names


def test_resources_are_filtered_by_service_and_type(
    aws: AwsSandbox, tagging: Any, balancing: Any, secrets: Any
) -> None:
    tags = {"app": "web"}
    aws.add_service("web", "shop", tags=tags)
    group = aws.add_target_group("group", tags=tags)
    rule = aws.add_rule(group, host="web.example", tags=tags)
    secrets.create_secret(Name="s", SecretString="x", Tags=[{"Key": "app", "Value": "web"}])
    rules = found(tagging, ResourceTypeFilters=["elasticloadbalancing:listener-rule"])

    assert len(found(tagging, ResourceTypeFilters=["ecs"])) == 2
    assert len(found(tagging, ResourceTypeFilters=["ecs:task"])) == 1
    assert found(tagging, ResourceTypeFilters=["ecs:service"]) == ["web"]
    assert len(found(tagging, ResourceTypeFilters=["elasticloadbalancing"])) == 2
    assert rules == [rule.rsplit("/", 1)[1]]
    assert len(found(tagging)) == 5


def test_deleted_resources_and_other_clusters_are_found(
    aws: AwsSandbox, ecs: Any, tagging: Any
) -> None:
    stopped = aws.add_task("shop", tags={"app": "web"})
    aws.stop_task(stopped)
    elsewhere = aws.add_task("other", tags={"app": "web"})
    aws.add_service("gone", "shop", desired=0, tags={"app": "web"})
    ecs.delete_service(cluster="shop", service="gone")
    names = found(tagging, TagFilters=[tag("app", "web")])

    ids = [arn.rsplit("/", 1)[1] for arn in (stopped, elsewhere)]
    assert names == sorted([*ids, "gone"])


def test_pages_end_with_an_empty_token(aws: AwsSandbox, tagging: Any) -> None:
    tags = {f"k{number}": "v" for number in range(7)}
    aws.add_service("web", "shop", desired=120, tags=tags)
    types = ["ecs:task"]

    def sizes(**wish: Any) -> list[int]:
        pages = tagging.get_paginator("get_resources").paginate(ResourceTypeFilters=types, **wish)
        return [len(page["ResourceTagMappingList"]) for page in pages]

    last = tagging.get_resources(ResourceTypeFilters=["ecs:service"])
    assert last["PaginationToken"] == ""
    assert sizes(ResourcesPerPage=100) == [100, 20]
    assert sizes() == [50, 50, 20]
    # 100 tags are 14 resources with 7 tags each.
    assert sizes(TagsPerPage=100) == [14] * 8 + [8]
    aws.pace.resources_per_page = 40
    assert sizes(ResourcesPerPage=100) == [40, 40, 40]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"PaginationToken": "nonsense"}, "PaginationTokenExpiredException"),
        ({"ResourcesPerPage": 101}, "InvalidParameterException"),
        ({"TagsPerPage": 20}, "InvalidParameterException"),
        (
            {"ResourceARNList": ["arn:aws:ecs:x:1:task/a/b"], "ResourcesPerPage": 10},
            "InvalidParameterException",
        ),
    ],
)
def test_an_invalid_request_is_refused(tagging: Any, wish: dict[str, Any], code: str) -> None:
    with refused(code):
        tagging.get_resources(**wish)
