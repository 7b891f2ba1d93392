"""ECS requests about tasks: RunTask, ListTasks, DescribeTasks, StopTask.

Unlike AWS, moto runs no tasks for services, neither filters nor pages lists, and changes the
status of a task when it is described.
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
from deploy.sandbox.aws.task_definitions import active_definition

MAX_DESCRIBED = 100
_MAX_STARTED = 10


def run_task(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    definition = active_definition(account, params["taskDefinition"])
    count = params.get("count", 1)
    if not 1 <= count <= _MAX_STARTED:
        raise invalid("Count must be between 1 and 10.")
    checked_ecs_tags(params.get("tags"))
    check_network(account, definition, params, required=True)
    started = [start(account, cluster, definition, params) for _ in range(count)]
    return {"tasks": [tasks.described(task, True) for task in started], "failures": []}


def start(account: Account, cluster: str, definition: Any, params: Json) -> Task:
    """Start a task without a service, with validated parameters of RunTask."""
    group = params.get("group") or f"family:{definition.family}"
    arn = identifiers.cluster_arn(account, cluster)
    tags = list(params.get("tags") or [])
    if params.get("propagateTags") == "TASK_DEFINITION":
        own = {tag["key"] for tag in tags}
        tags += [tag for tag in definition.tags if tag["key"] not in own]
    task = tasks.new_task(arn, definition, {**params, "tags": tags}, account.network, group)
    account.fleet.add_task(cluster, task)
    return task


def list_tasks(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    if "serviceName" in params:
        name = identifiers.service_name(params["serviceName"], cluster)
        if name not in account.fleet.services(cluster):
            raise Refusal(*identifiers.SERVICE_NOT_FOUND)
        params = {**params, "serviceName": name}
    tests = _tests(params)
    found = account.fleet.tasks(cluster).values()
    arns = [task.facts["taskArn"] for task in found if all(test(task) for test in tests)]
    refusal = invalid("Invalid token.")
    given, following = page(arns, identifiers.size(params, 100), params.get("nextToken"), refusal)
    return {"taskArns": given} | ({"nextToken": following} if following else {})


def describe_tasks(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    wanted = params.get("tasks", [])
    if not wanted:
        raise invalid("Tasks cannot be empty.")
    if len(wanted) > MAX_DESCRIBED:
        raise invalid("Tasks can have at most 100 items.")
    known = account.fleet.tasks(cluster)
    tags = "TAGS" in params.get("include", [])
    found, failures = [], []
    for given in dict.fromkeys(wanted):
        id = identifiers.task_id(given, cluster)
        if id in known:
            found.append(tasks.described(known[id], tags))
        else:
            arn = account.arn("ecs", f"task/{cluster}/{id}")
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"tasks": found, "failures": failures}


def stop_task(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    id = identifiers.task_id(params["task"], cluster)
    task = account.fleet.tasks(cluster).get(id)
    if task is None:
        raise invalid("The referenced task was not found.")
    reason = params.get("reason") or "Task stopped by user"
    scheduler.stop(account, task, "UserInitiated", reason)
    return {"task": tasks.described(task, True)}


def _tests(params: Json) -> list[Callable[[Task], bool]]:
    """Return the filters of ListTasks; the default for desiredStatus is RUNNING."""
    status = params.get("desiredStatus", "RUNNING")
    if status not in {"RUNNING", "PENDING", "STOPPED"}:
        raise invalid(f"Invalid desiredStatus: {status}")
    if "containerInstance" in params and "startedBy" in params:
        raise client_error("Only one filter may be given.")
    tests: list[Callable[[Task], bool]] = [lambda task: task.facts["desiredStatus"] == status]
    if "serviceName" in params:
        group = f"service:{params['serviceName']}"
        tests.append(lambda task: task.facts["group"] == group)
    if "startedBy" in params:
        tests.append(lambda task: task.facts.get("startedBy") == params["startedBy"])
    if "launchType" in params:
        tests.append(lambda task: task.facts["launchType"] == params["launchType"])
    if "family" in params:
        tests.append(lambda task: _family(task) == params["family"])
    if "containerInstance" in params:
        tests.append(lambda task: False)
    return tests


def _family(task: Task) -> str:
    arn: str = task.facts["taskDefinitionArn"]
    return arn.rsplit("/", 1)[1].split(":")[0]
