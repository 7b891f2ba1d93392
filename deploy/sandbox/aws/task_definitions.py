"""Task definitions: moto keeps them, ECS checks more of them and lists them otherwise."""

import re
from typing import Any

from deploy.sandbox.aws import fargate
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.identifiers import client_error, invalid, size, valid_name
from deploy.sandbox.aws.messages import Json
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.tag_rules import checked_ecs_tags

_REVISION = re.compile(r"(?:arn:[^/]+:task-definition/)?([A-Za-z0-9_-]{1,255})(?::([0-9]+))?")


def found(account: Account, given: str) -> Any:
    """moto's task definition; without a revision the newest ACTIVE one."""
    match = _REVISION.fullmatch(given)
    revisions = account.ecs.task_definitions.get(match[1], {}) if match else {}
    if match and match[2]:
        return revisions.get(int(match[2]))
    active = [number for number, each in revisions.items() if each.status == "ACTIVE"]
    return revisions[max(active)] if active else None


def usable(account: Account, given: str) -> Any:
    """The definition to start tasks from: INACTIVE ones run on, but nothing new starts."""
    definition = found(account, given)
    if definition is None:
        raise client_error("TaskDefinition not found.")
    if definition.status != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return definition


def check_register(account: Account, asked: Json) -> None:
    """What moto does not check of RegisterTaskDefinition."""
    valid_name(asked["family"], "Family")
    checked_ecs_tags(asked.get("tags"))
    containers = asked.get("containerDefinitions", [])
    if not containers:
        raise client_error("Container list cannot be empty.")
    for container in containers:
        if not container.get("image"):
            raise client_error("Container.image should not be null or empty.")
        if not container.get("name"):
            raise client_error("Container.name should not be null or empty.")
    if "FARGATE" in asked.get("requiresCompatibilities", []):
        _check_fargate(asked, containers)


def check_describe(account: Account, asked: Json) -> None:
    """Name the revision that a family stands for: moto takes the newest, even an INACTIVE one."""
    definition = found(account, asked["taskDefinition"])
    if definition is None:
        raise client_error("Unable to describe task definition.")
    asked["taskDefinition"] = definition.arn


def list_task_definitions(account: Account, asked: Json) -> Json:
    """Sorted by family and revision, and paged, which moto does neither."""
    family = asked.get("familyPrefix")
    status = asked.get("status", "ACTIVE")
    backwards = asked.get("sort") == "DESC"
    arns = {
        _sorted_as(each, backwards): each.arn
        for name, revisions in account.ecs.task_definitions.items()
        for each in revisions.values()
        if each.status == status and family in {None, name}
    }
    refusal = invalid("Invalid token.")
    keys, following = page(arns, size(asked, 100), asked.get("nextToken"), refusal)
    given = {"taskDefinitionArns": [arns[key] for key in keys]}
    return given | ({"nextToken": following} if following else {})


def _sorted_as(definition: Any, backwards: bool) -> str:
    revision = definition.revision
    return f"{definition.family}:{10**9 - revision if backwards else revision:010}"


def _check_fargate(asked: Json, containers: list[Json]) -> None:
    problem = fargate.problem(asked.get("cpu"), asked.get("memory"))
    if problem:
        raise client_error(problem)
    if asked.get("networkMode") not in {None, "awsvpc"}:
        raise client_error("Fargate only supports network mode 'awsvpc'.")
    drivers = {each.get("logConfiguration", {}).get("logDriver") for each in containers}
    if "awslogs" in drivers and not asked.get("executionRoleArn"):
        raise client_error(
            "Fargate requires task definition to have execution role ARN "
            "to support log driver awslogs."
        )
