"""Tasks: described by id, and found by their own labels and the labels of their services."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from contracts.faults import Code, Fault
from contracts.resources import Machine
from worker.gather_all import gather_all
from worker.providers.ecs import controllers, names, translate
from worker.providers.ecs.aws.answers import Service, Task, TaskArns, Tasks
from worker.providers.ecs.aws.batches import batches, expect_missing
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.tag_index import expect_cluster, tagged

DESCRIBED_AT_ONCE = 100
LISTED_AT_ONCE = 100
WORTH_LOOKING_UP = 10
"""The most requests for candidates; beyond it, all tasks of the cluster are described."""


async def one(aws: BoundClient, cluster: str, id: str) -> Task:
    """Return a task, even one that stopped recently, or raise `not_found`."""
    for task in await describe(aws, cluster, [id]):
        return task
    raise Fault(
        Code.NOT_FOUND,
        f'there is no machine "{id}" in the cluster "{names.cluster_name(cluster)}"',
    )


async def find(aws: BoundClient, cluster: str, labels: Mapping[str, str]) -> list[Machine]:
    """Return the machines that run or start and have all the labels, at least one."""
    ids = await _candidates(aws, cluster, labels)
    tasks = [task for task in await describe(aws, cluster, ids) if translate.is_alive(task)]
    found = await of_tasks(aws, cluster, tasks)
    return [machine for machine in found if labels.items() <= machine.labels.items()]


async def of_tasks(
    aws: BoundClient, cluster: str, tasks: Iterable[Task], known: Iterable[Service] = ()
) -> list[Machine]:
    """Return tasks as machines, with the labels of their services; `known` were read already."""
    tasks = list(tasks)
    services = {service.service_name: service for service in known}
    wanted = {name for task in tasks if (name := translate.controller_name(task))}
    found = await controllers.describe(aws, cluster, sorted(wanted - services.keys()))
    services |= {service.service_name: service for service in found}
    return [
        translate.machine(task, services.get(translate.controller_name(task) or ""))
        for task in tasks
    ]


async def of_service(aws: BoundClient, cluster: str, name: str) -> list[Task]:
    """Return the tasks of a service that run or start."""
    ids = await ids_of(aws, cluster, serviceName=name)
    return [task for task in await describe(aws, cluster, ids) if translate.is_alive(task)]


async def describe(aws: BoundClient, cluster: str, ids: Iterable[str]) -> list[Task]:
    """Return the tasks that exist, with their tags."""
    answers = await gather_all(
        *(_described(aws, cluster, batch) for batch in batches(ids, DESCRIBED_AT_ONCE))
    )
    return [task for tasks in answers for task in tasks]


async def _described(aws: BoundClient, cluster: str, batch: list[str]) -> list[Task]:
    answer = await aws.ask(
        "ecs:DescribeTasks", Tasks, cluster=cluster, tasks=batch, include=["TAGS"]
    )
    expect_missing("ecs:DescribeTasks", answer.failures)
    return answer.tasks


async def ids_of(aws: BoundClient, cluster: str, **narrower: str) -> list[str]:
    """Return the ids of tasks that are meant to run."""
    found: list[str] = []
    async for page in aws.pages(
        "ecs:ListTasks", TaskArns, cluster=cluster, maxResults=LISTED_AT_ONCE, **narrower
    ):
        found += map(names.last, page.task_arns)
    return found


async def _candidates(aws: BoundClient, cluster: str, labels: Mapping[str, str]) -> list[str]:
    """The ids of all tasks that may have the labels, either their own or from their service.

    If a service has some of the labels, its tasks need the others. A tag of the task that
    overrides a tag of its service is detected when both are described.
    """
    own, *services = await gather_all(
        tagged(aws, "task", cluster, labels),
        *(tagged(aws, "service", cluster, {key: value}) for key, value in labels.items()),
    )
    has: defaultdict[str, set[str]] = defaultdict(set)
    for key, found in zip(labels, services, strict=True):
        for name in found:
            has[name].add(key)
    whole = [name for name, keys in has.items() if len(keys) == len(labels)]
    rests = {frozenset(labels.keys() - keys) for keys in has.values()} - {frozenset()}
    if len(whole) + len(rests) > WORTH_LOOKING_UP:
        return await ids_of(aws, cluster)
    more = await gather_all(
        *(tagged(aws, "task", cluster, {key: labels[key] for key in rest}) for rest in rests),
        *(_tasks_of_service(aws, cluster, name) for name in whole),
    )
    candidates = own.union(*more)
    if not candidates:
        await expect_cluster(aws, cluster)
    return sorted(candidates)


async def _tasks_of_service(aws: BoundClient, cluster: str, name: str) -> set[str]:
    """The ids of a service's tasks; none for a deleted service that is still in the tag index."""
    try:
        return set(await ids_of(aws, cluster, serviceName=name))
    except Failure as failure:
        if failure.aws_code not in controllers.DELETED:
            raise
        return set()
