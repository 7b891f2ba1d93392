"""The description of an ECS service: its parameters, deployments and task counts."""

import secrets
import time
from typing import Any

from deploy.sandbox.aws.fleet import Service, Task
from deploy.sandbox.aws.messages import Json
from deploy.sandbox.aws.tasks import PLATFORM

FAILED = "failed"
"""The key of the facts of a deployment that the circuit breaker stopped."""
_ROLE = "ecs.amazonaws.com/AWSServiceRoleForECS"
_BREAKER = {"enable": False, "rollback": False}
_DEPLOYMENT = {
    "deploymentCircuitBreaker": _BREAKER,
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
}
# A change of one of these parameters replaces the tasks.
_REPLACING = (
    "taskDefinition",
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "volumeConfigurations",
)
# These parameters are copied to the description.
_COPIED = (
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
    "healthCheckGracePeriodSeconds",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "propagateTags",
    "placementConstraints",
    "placementStrategy",
    "availabilityZoneRebalancing",
)


def new_service(cluster_arn: str, definition: Any, params: Json) -> Service:
    """Return a service from validated parameters of CreateService; `definition` is moto's."""
    name, number = params["serviceName"], cluster_arn.split(":")[4]
    facts: Json = {
        "serviceArn": f"{cluster_arn.replace(':cluster/', ':service/')}/{name}",
        "serviceName": name,
        "clusterArn": cluster_arn,
        "status": "ACTIVE",
        "desiredCount": params.get("desiredCount", 0),
        "launchType": params.get("launchType", "EC2"),
        "taskDefinition": definition.arn,
        "schedulingStrategy": params.get("schedulingStrategy", "REPLICA"),
        "deploymentController": params.get("deploymentController", {"type": "ECS"}),
        "deploymentConfiguration": {**_DEPLOYMENT, **params.get("deploymentConfiguration", {})},
        "createdAt": _now(),
        "createdBy": f"arn:aws:iam::{number}:role/sandbox",
        "loadBalancers": [],
        "serviceRegistries": [],
        "placementConstraints": [],
        "placementStrategy": [],
        "events": [],
        "propagateTags": "NONE",
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "tags": [dict(tag) for tag in params.get("tags") or []],
    }
    if facts["launchType"] == "FARGATE":
        facts |= {"platformVersion": "LATEST", "platformFamily": "Linux"}
    if params.get("loadBalancers"):
        facts["healthCheckGracePeriodSeconds"] = 0
        facts["roleArn"] = f"arn:aws:iam::{number}:role/aws-service-role/{_ROLE}"
    facts |= {key: params[key] for key in _COPIED if params.get(key) is not None}
    service = Service(facts, params.get("clientToken"), params)
    service.deployments = [_deployment(facts)]
    return service


def update(service: Service, params: Json) -> None:
    """Apply validated parameters of UpdateService; `taskDefinition` is an ARN."""
    facts = service.facts
    before = {key: facts.get(key) for key in _REPLACING}
    facts |= {key: params[key] for key in _COPIED if params.get(key) is not None}
    for key in ("taskDefinition", "platformVersion", "desiredCount"):
        if params.get(key) is not None:
            facts[key] = params[key]
    configuration = params.get("deploymentConfiguration") or {}
    facts["deploymentConfiguration"] = {**facts["deploymentConfiguration"], **configuration}
    replaced = before != {key: facts.get(key) for key in _REPLACING}
    if replaced or params.get("forceNewDeployment"):
        service.deployments.insert(0, _deployment(facts))
    service.deployments[0]["updatedAt"] = _now()
    service.needs_work = True


def trip(service: Service) -> None:
    """Stop the primary deployment, as the circuit breaker does when tasks fail to start.

    If rollback is enabled and an older deployment still has tasks, ECS rolls back to it.
    """
    failed, *former = service.deployments
    failed[FAILED] = {
        "failedTasks": 3,
        "rolloutState": "FAILED",
        "rolloutStateReason": "ECS deployment circuit breaker: tasks failed to start.",
    }
    breaker = service.facts["deploymentConfiguration"]["deploymentCircuitBreaker"]
    if former and breaker["rollback"]:
        service.facts["taskDefinition"] = former[0]["taskDefinition"]
        service.deployments = [former[0], failed, *former[1:]]
    service.needs_work = True


def described(service: Service, tags: bool) -> Json:
    counts = _counts(list(service.tasks.values()))
    facts = {key: value for key, value in service.facts.items() if tags or key != "tags"}
    return facts | counts | {"deployments": _deployments(service)}


def _deployments(service: Service) -> list[Json]:
    if service.facts["status"] == "INACTIVE":
        return []
    described = []
    for place, each in enumerate(service.deployments):
        own = [one for one in service.tasks.values() if one.facts.get("startedBy") == each["id"]]
        counts = _counts(own)
        wanted = service.facts["desiredCount"] if place == 0 else 0
        done = place == 0 and counts["runningCount"] == wanted and len(own) == wanted
        state = "COMPLETED" if done else "IN_PROGRESS"
        verb = "completed" if done else "in progress"
        facts = {key: value for key, value in each.items() if key != FAILED}
        described.append(
            facts
            | counts
            | {
                "status": "PRIMARY" if place == 0 else "ACTIVE",
                "desiredCount": wanted,
                "failedTasks": 0,
                "rolloutState": state,
                "rolloutStateReason": f"ECS deployment {each['id']} {verb}.",
            }
            | each.get(FAILED, {})
        )
    return described


def _counts(some: list[Task]) -> Json:
    wanted = [task for task in some if task.wanted]
    running = sum(task.running for task in wanted)
    return {"runningCount": running, "pendingCount": len(wanted) - running}


def _deployment(facts: Json) -> Json:
    deployment = {
        "id": f"ecs-svc/{secrets.randbelow(9 * 10**18) + 10**18}",
        "taskDefinition": facts["taskDefinition"],
        "launchType": facts["launchType"],
        "createdAt": _now(),
        "updatedAt": _now(),
    }
    if facts["launchType"] == "FARGATE":
        deployment |= {"platformVersion": PLATFORM, "platformFamily": "Linux"}
    if "networkConfiguration" in facts:
        deployment["networkConfiguration"] = facts["networkConfiguration"]
    return deployment


def _now() -> float:
    return round(time.time(), 3)
