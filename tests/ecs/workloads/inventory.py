"""The resources in an account that workloads make, read without the provider."""

from typing import Any

from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.workloads.builders import CLUSTER, NAME

NOTHING: dict[str, Any] = {
    "services": [],
    "task definitions": [],
    "secrets": [],
    "names": [],
    "target groups": [],
    "rules": 0,
}


def inventory(aws: AwsSandbox) -> dict[str, Any]:
    """Return the resources of workloads by kind."""
    return {
        "services": [
            each["serviceName"] for each in aws.services(CLUSTER) if each["status"] == "ACTIVE"
        ],
        "task definitions": revisions(aws),
        "secrets": list(aws.account.secrets.secrets),
        "names": [each.name for each in aws.account.cloud_map.services.values()],
        "target groups": [each.name for each in aws.account.balancing.target_groups.values()],
        "rules": len(rules(aws)),
    }


def revisions(aws: AwsSandbox, family: str = NAME) -> list[str]:
    """Return the ACTIVE revisions of a task definition, oldest first."""
    found = aws.account.ecs.task_definitions.get(family, {}).values()
    return [f"{each.family}:{each.revision}" for each in found if each.status == "ACTIVE"]


def rules(aws: AwsSandbox) -> list[Any]:
    """Return all rules except the default ones."""
    return [
        rule
        for balancer in aws.account.balancing.load_balancers.values()
        for listener in balancer.listeners.values()
        for rule in listener.rules.values()
        if not rule.is_default
    ]
