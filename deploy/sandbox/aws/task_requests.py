"""ECS requests about tasks: RunTask, ListTasks, DescribeTasks, StopTask.

moto runs no tasks for services, filters and pages no list, and moves a task on when it is
described. AWS does as here.
"""

from collections.abc import Callable
from typing import Any

from deploy.sandbox.aws import identifiers, scheduler, tasks
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.fleet import Task
from deploy.sandbox.aws.identifiers import client_error, cluster_of, invalid
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.service_checks import check_network
from deploy.sandbox.aws.tag_rules import checked_ecs_tags
from deploy.sandbox.aws.task_definitions import usable

DESCRIBED_AT_ONCE = 100
_RUN_AT_ONCE = 10


def run_task(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    definition = usable(account, asked["taskDefinition"])
    count = asked.get("count", 1)
    if not 1 <= count <= _RUN_AT_ONCE:
        raise invalid("Count must be between 1 and 10.")
    checked_ecs_tags(asked.get("tags"))
    check_network(account, definition, asked, required=True)
    started = [start(account, cluster, definition, asked) for _ in range(count)]
    return {"tasks": [tasks.described(task, True) for task in started], "failures": []}


def start(account: Account, cluster: str, definition: Any, asked: Json) -> Task:
    """A task of its own; `asked` as in RunTask, checked."""
    group = asked.get("group") or f"family:{definition.family}"
    arn = identifiers.cluster_arn(account, cluster)
    tags = list(asked.get("tags") or [])
    if asked.get("propagateTags") == "TASK_DEFINITION":
        own = {tag["key"] for tag in tags}
        tags += [tag for tag in definition.tags if tag["key"] not in own]
    task = tasks.new_task(arn, definition, {**asked, "tags": tags}, account.network, group)
    account.fleet.add_task(cluster, task)
    return task


def list_tasks(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    if "serviceName" in asked:
        name = identifiers.service_name(asked["serviceName"], cluster)
        if name not in account.fleet.services(cluster):
            raise Refusal(*identifiers.SERVICE_NOT_FOUND)
        asked = {**asked, "serviceName": name}
    tests = _tests(asked)
    found = account.fleet.tasks(cluster).values()
    arns = [task.facts["taskArn"] for task in found if all(test(task) for test in tests)]
    refusal = invalid("Invalid token.")
    given, following = page(arns, identifiers.size(asked, 100), asked.get("nextToken"), refusal)
    return {"taskArns": given} | ({"nextToken": following} if following else {})


def describe_tasks(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    wanted = asked.get("tasks", [])
    if not wanted:
        raise invalid("Tasks cannot be empty.")
    if len(wanted) > DESCRIBED_AT_ONCE:
        raise invalid("Tasks can have at most 100 items.")
    known = account.fleet.tasks(cluster)
    tags = "TAGS" in asked.get("include", [])
    found, failures = [], []
    for given in dict.fromkeys(wanted):
        id = identifiers.task_id(given, cluster)
        if id in known:
            found.append(tasks.described(known[id], tags))
        else:
            arn = account.arn("ecs", f"task/{cluster}/{id}")
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"tasks": found, "failures": failures}


def stop_task(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    id = identifiers.task_id(asked["task"], cluster)
    task = account.fleet.tasks(cluster).get(id)
    if task is None:
        raise invalid("The referenced task was not found.")
    reason = asked.get("reason") or "Task stopped by user"
    scheduler.stop(account, task, "UserInitiated", reason)
    return {"task": tasks.described(task, True)}


def _tests(asked: Json) -> list[Callable[[Task], bool]]:
    """What a task has to pass; without a wish for STOPPED only what shall run is listed."""
    status = asked.get("desiredStatus", "RUNNING")
    if status not in {"RUNNING", "PENDING", "STOPPED"}:
        raise invalid(f"Invalid desiredStatus: {status}")
    if "containerInstance" in asked and "startedBy" in asked:
        raise client_error("Only one filter may be given.")
    tests: list[Callable[[Task], bool]] = [lambda task: task.facts["desiredStatus"] == status]
    if "serviceName" in asked:
        group = f"service:{asked['serviceName']}"
        tests.append(lambda task: task.facts["group"] == group)
    if "startedBy" in asked:
        tests.append(lambda task: task.facts.get("startedBy") == asked["startedBy"])
    if "launchType" in asked:
        tests.append(lambda task: task.facts["launchType"] == asked["launchType"])
    if "family" in asked:
        tests.append(lambda task: _family(task) == asked["family"])
    if "containerInstance" in asked:
        tests.append(lambda task: False)
    return tests


def _family(task: Task) -> str:
    arn: str = task.facts["taskDefinitionArn"]
    return arn.rsplit("/", 1)[1].split(":")[0]
