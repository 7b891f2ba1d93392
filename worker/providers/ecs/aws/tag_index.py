"""Finds tasks and services by their tags. The index behind it is the account's, and lags."""

from collections.abc import Mapping
from typing import Literal

from worker.providers.ecs import names
from worker.providers.ecs.aws.answers import Resources, TaskArns
from worker.providers.ecs.aws.client import BoundClient

PAGE = 100


async def tagged(
    aws: BoundClient, kind: Literal["task", "service"], cluster: str, labels: Mapping[str, str]
) -> set[str]:
    """Ids of tasks or names of services of the cluster that carried all the labels lately.

    Stopped and deleted ones are among them.
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
    """Raise `not_found` where there is no such cluster: the index knows nothing of it either."""
    await aws.ask("ecs:ListTasks", TaskArns, cluster=cluster, maxResults=1)
