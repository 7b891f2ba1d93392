"""Task definitions in moto's state, with the validation and the order of ECS."""

import re
from typing import Any

from deploy.sandbox.aws import fargate
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.identifiers import client_error, invalid, size, valid_name
from deploy.sandbox.aws.messages import Json
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.tag_rules import checked_ecs_tags

_REVISION = re.compile(r"(?:arn:[^/]+:task-definition/)?([A-Za-z0-9_-]{1,255})(?::([0-9]+))?")


def find_definition(account: Account, given: str) -> Any:
    """Return moto's task definition or None; without a revision, the newest ACTIVE one."""
    match = _REVISION.fullmatch(given)
    revisions = account.ecs.task_definitions.get(match[1], {}) if match else {}
    if match and match[2]:
        return revisions.get(int(match[2]))
    active = [number for number, each in revisions.items() if each.status == "ACTIVE"]
    return revisions[max(active)] if active else None


def active_definition(account: Account, given: str) -> Any:
    """Return the definition for new tasks; refuse an INACTIVE one, whose tasks only continue."""
    definition = find_definition(account, given)
    if definition is None:
        raise client_error("TaskDefinition not found.")
    if definition.status != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return definition


def check_register(account: Account, params: Json) -> None:
    """Validate the parameters of RegisterTaskDefinition that moto accepts."""
    valid_name(params["family"], "Family")
    checked_ecs_tags(params.get("tags"))
    containers = params.get("containerDefinitions", [])
    if not containers:
        raise client_error("Container list cannot be empty.")
    for container in containers:
        if not container.get("image"):
            raise client_error("Container.image should not be null or empty.")
        if not container.get("name"):
            raise client_error("Container.name should not be null or empty.")
    if "FARGATE" in params.get("requiresCompatibilities", []):
        _check_fargate(params, containers)


def check_describe(account: Account, params: Json) -> None:
    """Resolve a family to its newest ACTIVE revision; moto would return an INACTIVE one."""
    definition = find_definition(account, params["taskDefinition"])
    if definition is None:
        raise client_error("Unable to describe task definition.")
    params["taskDefinition"] = definition.arn


def list_task_definitions(account: Account, params: Json) -> Json:
    """List by family and revision, in pages; moto neither sorts nor pages."""
    family = params.get("familyPrefix")
    status = params.get("status", "ACTIVE")
    backwards = params.get("sort") == "DESC"
    arns = {
        _sort_key(each, backwards): each.arn
        for name, revisions in account.ecs.task_definitions.items()
        for each in revisions.values()
        if each.status == status and family in {None, name}
    }
    refusal = invalid("Invalid token.")
    keys, following = page(arns, size(params, 100), params.get("nextToken"), refusal)
    given = {"taskDefinitionArns": [arns[key] for key in keys]}
    return given | ({"nextToken": following} if following else {})


def _sort_key(definition: Any, backwards: bool) -> str:
    revision = definition.revision
    return f"{definition.family}:{10**9 - revision if backwards else revision:010}"


def _check_fargate(params: Json, containers: list[Json]) -> None:
    problem = fargate.problem(params.get("cpu"), params.get("memory"))
    if problem:
        raise client_error(problem)
    if params.get("networkMode") not in {None, "awsvpc"}:
        raise client_error("Fargate only supports network mode 'awsvpc'.")
    drivers = {each.get("logConfiguration", {}).get("logDriver") for each in containers}
    if "awslogs" in drivers and not params.get("executionRoleArn"):
        raise client_error(
            "Fargate requires task definition to have execution role ARN "
            "to support log driver awslogs."
        )
