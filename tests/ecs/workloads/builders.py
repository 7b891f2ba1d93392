"""Builders of workloads, and of workers that apply them, for the tests of ECS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from contracts import api
from contracts.resources import Object
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.opened import open_provider
from tests.workloads import specification
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider
from worker.providers.ecs.settings import Settings

ROLE = "arn:aws:iam::123456789012:role/execution"
CLUSTER = "shop"
NAME = "orders-api-v7"


def settings(**more: Any) -> Settings:
    """The settings that workloads need."""
    given = {
        "ecs_region": "eu-central-1",
        "ecs_subnets": "subnet-1, subnet-2",
        "ecs_execution_role_arn": ROLE,
    }
    return Settings(**given | more)


@asynccontextmanager
async def worker(aws: AwsSandbox, **variables: str) -> AsyncIterator[EcsProvider]:
    """A provider with the settings that workloads need, and short delays."""
    given = {
        "PLT_ECS_EXECUTION_ROLE_ARN": ROLE,
        "PLT_ECS_CLEANUP_RETRY_BASE_MS": "10",
        "PLT_ECS_PRIORITY_RETRY_BASE_MS": "10",
        "PLT_ECS_RETRY_BASE_MS": "10",
    }
    async with open_provider(aws.environment | given | variables) as opened:
        yield opened


async def apply(
    provider: EcsProvider, call: Call | None = None, cluster: str = CLUSTER, **more: Any
) -> Object:
    """Apply the example workload with changes."""
    operation = api.ApplyWorkload(cluster, specification(**more))
    return await provider.apply_workload(operation, call or ample())


async def delete(
    provider: EcsProvider, call: Call | None = None, cluster: str = CLUSTER, name: str = NAME
) -> Object:
    """Delete the controller of the example workload."""
    operation = api.DeleteController(cluster, name)
    return await provider.delete_controller(operation, call or ample())
