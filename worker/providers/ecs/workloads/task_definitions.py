"""A workload as a task definition for Fargate; pure."""

import re
import shlex
from hashlib import sha256
from typing import Any

import msgspec

from contracts.neutral import workload as neutral
from contracts.neutral.workload import HealthCheck, Workload
from contracts.resources import Object
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.workloads.workload import Wanted

CHECK_TIMEOUT_S = 5
CHECK = """\
u={url}
if command -v curl >/dev/null 2>&1; then curl -fsS -m {limit} -o /dev/null "$u"
elif command -v wget >/dev/null 2>&1; then wget -q -T {limit} -O /dev/null "$u"
elif command -v node >/dev/null 2>&1; then node -e \
'fetch(process.argv[1]).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "$u"
elif command -v python3 >/dev/null 2>&1; then python3 -c \
'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout={limit})' "$u"
fi >/dev/null 2>&1 || exit 1"""
"""Runs inside the container. An image without any of these programs counts as healthy: otherwise
ECS would stop its tasks again and again. The command contains the loopback address, because
`localhost` may resolve to the other IP version. An image without a shell always fails: its workload
must not have a health check."""


def definition(wanted: Wanted, settings: Settings, pull_secret: str | None) -> Object:
    """Return the parameters of RegisterTaskDefinition; `pull_secret` is the ARN of the secret.

    Tasks have one container; its name, the family's and the service's are the same. The labels of
    the workload are Docker labels of the container, as they are labels of a pod template on
    Kubernetes: other labels make another revision, whose tasks start with the new tags, and the
    next run reads from the former revision which tags of the service came from the workload.
    """
    roles = {
        "executionRoleArn": settings.ecs_execution_role_arn,
        "taskRoleArn": settings.ecs_task_role_arn,
    }
    return {
        "family": wanted.name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": str(wanted.size.cpu),
        "memory": str(wanted.size.memory),
        "containerDefinitions": [_container(wanted, settings, pull_secret)],
    } | {key: role for key, role in roles.items() if role}


def digest(definition: Object) -> str:
    """Return a digest of a definition that is the same in all workers and versions."""
    return sha256(msgspec.json.encode(definition, order="deterministic")).hexdigest()


def _container(wanted: Wanted, settings: Settings, pull_secret: str | None) -> dict[str, Any]:
    workload = wanted.workload
    container: dict[str, Any] = {
        "name": wanted.name,
        "image": workload.image,
        "essential": True,
        "portMappings": [
            {"name": use, "containerPort": port, "protocol": "tcp"}
            for use, port in (("app", workload.ports.app), ("metrics", workload.ports.metrics))
        ],
        "environment": [
            {"name": variable, "value": value}
            for variable, value in neutral.variables(workload).items()
        ],
        "dockerLabels": wanted.machine_labels,
    }
    if workload.health_check is not None:
        container["healthCheck"] = _check(wanted, workload.health_check)
    if settings.ecs_log_group is not None:
        container["logConfiguration"] = _logs(workload, settings)
    if pull_secret is not None:
        container["repositoryCredentials"] = {"credentialsParameter": pull_secret}
    return container


def _check(wanted: Wanted, check: HealthCheck) -> dict[str, Any]:
    url = f"http://127.0.0.1:{wanted.check_port(check)}{check.live_path}"
    command = CHECK.format(url=shlex.quote(url), limit=CHECK_TIMEOUT_S - 1)
    return {
        "command": ["CMD-SHELL", command],
        "interval": 15,
        "timeout": CHECK_TIMEOUT_S,
        "retries": 3,
        "startPeriod": 30,
    }


def _logs(wanted: Workload, settings: Settings) -> dict[str, Any]:
    return {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": settings.ecs_log_group,
            "awslogs-region": settings.ecs_region,
            # A stream with a name that CloudWatch refuses would keep tasks from starting.
            "awslogs-stream-prefix": re.sub(r"[:*]", "-", neutral.application(wanted)),
        },
    }
