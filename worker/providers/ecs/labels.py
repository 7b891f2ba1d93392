"""Labels of a machine: set and removed as tags of its task."""

from collections.abc import Mapping

from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs import controllers, machines, names, observed, translate
from worker.providers.ecs.aws.answers import Nothing, Task
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.tags import camel

STOPPED = "STOPPED"


async def change(
    aws: BoundClient, call: Call, cluster: str, id: str, wanted: Mapping[str, str | None]
) -> None:
    """Set tags, and remove those whose value is None; impossible changes are refused first."""
    task = await machines.one(aws, cluster, id)
    if task.last_status == STOPPED:
        raise Fault(
            Code.CONFLICT,
            f'the machine "{id}" in the cluster "{names.cluster_name(cluster)}" has stopped: its '
            "labels can no longer be changed",
        )
    before = observed.task_labels(task, wanted)
    call.observed(before, before)
    tags = {key: value for key, value in wanted.items() if value is not None}
    removed = [key for key in wanted if key not in tags]
    _check_number(task, tags, removed)
    if removed:
        await _check_inherited(aws, cluster, task, removed)
        await aws.ask("ecs:UntagResource", Nothing, resourceArn=task.task_arn, tagKeys=removed)
        call.observed(before, observed.changed_labels(before, dict.fromkeys(removed)))
    if tags:
        await _set(aws, task, tags, removed)
        call.observed(before, observed.changed_labels(before, wanted))


async def _set(aws: BoundClient, task: Task, tags: Mapping[str, str], removed: list[str]) -> None:
    try:
        await aws.ask(
            "ecs:TagResource",
            Nothing,
            resourceArn=task.task_arn,
            tags=camel(tags),
        )
    except Fault as fault:
        if not removed:
            raise
        words = f"{fault.message}. The labels that were already removed: {', '.join(removed)}"
        raise Fault(fault.code, words, retry_after=fault.retry_after) from fault


def _check_number(task: Task, tags: Mapping[str, str], removed: list[str]) -> None:
    has = {key for key in translate.labels(task.tags) if names.is_own(key)}
    then = (has - set(removed)) | tags.keys()
    if len(then) > names.TAG_LIMIT:
        raise Fault(
            Code.INVALID,
            f"labels: the machine has {len(has)} and would have {len(then)}, expected at most "
            f"{names.TAG_LIMIT}, as many tags as AWS allows",
        )


async def _check_inherited(aws: BoundClient, cluster: str, task: Task, removed: list[str]) -> None:
    """Raise `conflict` if the service has the label, so that its removal would have no effect."""
    name = translate.controller_name(task)
    for service in await controllers.describe(aws, cluster, [name] if name else []):
        inherited = sorted(set(removed) & translate.labels(service.tags).keys())
        if inherited:
            raise Fault(
                Code.CONFLICT,
                f"labels: {', '.join(inherited)} cannot be removed from one machine: all machines "
                f'inherit them from the tags of their controller "{name}"',
            )
