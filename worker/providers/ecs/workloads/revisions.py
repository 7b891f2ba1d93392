"""Task definitions in ECS: registered when something changed, old revisions deregistered."""

from collections.abc import Collection

from contracts.resources import Object
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.aws.answers import Nothing, OneTaskDefinition, Part
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.tags import CamelTag, camel
from worker.providers.ecs.workloads import task_definitions

DIGEST = "plt.dev/digest"
LISTED_AT_ONCE = 100
AT_ONCE = 3
"""Old revisions that one call deregisters at most: AWS allows one a second in the long run."""


class Listed(Part, frozen=True):
    """A page of ListTaskDefinitions."""

    task_definition_arns: list[str]


def is_same(found: OneTaskDefinition, wanted: Object) -> bool:
    """Return whether a revision is the wanted one, so that a repeat replaces no machines."""
    return CamelTag(DIGEST, task_definitions.digest(wanted)) in found.tags


def labels(found: OneTaskDefinition) -> set[str]:
    """Return the keys of the workload's labels in a revision of ours."""
    if all(tag.key != DIGEST for tag in found.tags):
        return set()
    return {
        key for each in found.task_definition.container_definitions for key in each.docker_labels
    }


def images(found: OneTaskDefinition) -> list[str]:
    """Return the images of a revision's containers."""
    containers = found.task_definition.container_definitions
    return [each.image for each in containers if each.image]


async def register(aws: BoundClient, cluster: str, wanted: Object) -> str:
    """Make a new revision and return its ARN."""
    tags = ownership.marks(cluster) | {DIGEST: task_definitions.digest(wanted)}
    # A lost answer costs a superfluous revision, which is deregistered with the old ones.
    answer = await aws.ask(
        "ecs:RegisterTaskDefinition",
        OneTaskDefinition,
        **wanted,
        tags=camel(tags),
    )
    return answer.task_definition.task_definition_arn


async def find(aws: BoundClient, present: str) -> OneTaskDefinition | None:
    """Return the revision of an ARN, or the newest of a family, or None."""
    try:
        return await aws.ask(
            "ecs:DescribeTaskDefinition",
            OneTaskDefinition,
            taskDefinition=present,
            include=["TAGS"],
        )
    except Failure as failure:
        if failure.aws_code != "ClientException":
            raise
        return None


async def deregister(aws: BoundClient, arn: str) -> None:
    """Deregister a revision; its tasks and services keep running."""
    await aws.ask("ecs:DeregisterTaskDefinition", Nothing, taskDefinition=arn)


async def prune(aws: BoundClient, newest: str, used: Collection[str], keep: int) -> None:
    """Deregister all but the newest revision, the used ones and `keep` others; some at a time."""
    family, _, number = newest.rpartition("/")[2].rpartition(":")
    if not number.isdecimal() or int(number) <= keep + 1:
        return
    old: list[str] = []
    async for page in aws.pages(
        "ecs:ListTaskDefinitions",
        Listed,
        familyPrefix=family,
        status="ACTIVE",
        sort="DESC",
        maxResults=LISTED_AT_ONCE,
    ):
        old += (
            arn for arn in page.task_definition_arns if arn != newest and family_of(arn) == family
        )
    for arn in [arn for arn in old[keep:] if arn not in used][-AT_ONCE:]:
        await deregister(aws, arn)


def family_of(arn: str) -> str:
    """Return the family of a revision."""
    return arn.rpartition("/")[2].rpartition(":")[0]
