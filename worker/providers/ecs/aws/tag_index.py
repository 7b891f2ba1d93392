"""Finds tasks and services by tags in the account's tag index, which is eventually consistent."""

from collections.abc import Mapping
from typing import Literal

from worker.providers.ecs import names
from worker.providers.ecs.aws.answers import Resources, TaskArns
from worker.providers.ecs.aws.client import BoundClient

PAGE = 100


async def tagged(
    aws: BoundClient, kind: Literal["task", "service"], cluster: str, labels: Mapping[str, str]
) -> set[str]:
    """Return ids of tasks or names of services of the cluster that recently had all the labels.

    Stopped and deleted ones are included.
    """
    found: set[str] = set()
    async for page in aws.pages(
        "tag:GetResources",
        Resources,
        ResourceTypeFilters=[f"ecs:{kind}"],
        TagFilters=[{"Key": key, "Values": [value]} for key, value in labels.items()],
        ResourcesPerPage=PAGE,
    ):
        arns = (each.arn for each in page.found)
        found |= {names.last(arn) for arn in arns if names.is_of(cluster, arn)}
    return found


async def expect_cluster(aws: BoundClient, cluster: str) -> None:
    """Raise `not_found` if the cluster does not exist; the index does not contain clusters."""
    await aws.ask("ecs:ListTasks", TaskArns, cluster=cluster, maxResults=1)
