"""ECS's service scheduler: starts and stops tasks until each service has its desired count.

There is no background thread: before each request the scheduler does all work that is due.
"""

import time
from collections.abc import Iterable

from deploy.sandbox.aws import tasks
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.fleet import Service, Task
from deploy.sandbox.aws.messages import Json
from deploy.sandbox.aws.services import FAILED

_BY_SCHEDULER = "ServiceSchedulerInitiated"


def run_due(account: Account) -> None:
    """Do all work that is due, including work that follows from it."""
    while True:
        needs_work = [each for each in account.fleet.all_services() if each.needs_work]
        due = [task for task in account.fleet.changing.values() if _due(account, task)]
        if not needs_work and not due:
            return
        for service in needs_work:
            _reconcile(account, service)
        for task in due:
            _change(account, task)


def stop(account: Account, task: Task, code: str, reason: str) -> None:
    """Start to stop a task and deregister its targets."""
    if not task.wanted:
        return
    _deregister(account, task)
    tasks.stop(task, code, reason)
    account.fleet.changing[task.id] = task
    if task.service is not None:
        task.service.needs_work = True


def _due(account: Account, task: Task) -> bool:
    pace = account.pace
    wait = pace.running_after if task.wanted else pace.stopped_after
    return wait is not None and time.monotonic() - task.since >= wait


def _change(account: Account, task: Task) -> None:
    del account.fleet.changing[task.id]
    if task.wanted:
        definition = account.ecs.describe_task_definition(task.facts["taskDefinitionArn"])
        tasks.run(task, definition)
        _register(account, task)
    else:
        tasks.end(task)
    if task.service is not None:
        task.service.needs_work = True
        if task.stopped:
            task.service.tasks.pop(task.id, None)


def _reconcile(account: Account, service: Service) -> None:
    service.needs_work = False
    primary = service.deployments[0]
    wanted = service.facts["desiredCount"] if service.active else 0
    living = [task for task in service.tasks.values() if task.wanted]
    current = [task for task in living if task.facts.get("startedBy") == primary["id"]]
    if service.active and FAILED in primary:
        for task in current:
            stop(account, task, _BY_SCHEDULER, primary[FAILED]["rolloutStateReason"])
        return
    for _ in range(wanted - len(current)):
        _start(account, service, primary)
    reason = f"Scaling activity initiated by (deployment {primary['id']})"
    # The newest tasks stop first.
    for task in current[wanted:]:
        stop(account, task, _BY_SCHEDULER, reason)
    if _running(current) >= wanted:
        for task in living:
            if task not in current:
                stop(account, task, _BY_SCHEDULER, reason)
    if service.facts["status"] == "DRAINING" and not service.tasks:
        service.facts["status"] = "INACTIVE"
    service.deployments = [primary, *_still_running(service)]


def _running(some: Iterable[Task]) -> int:
    return sum(task.running for task in some)


def _still_running(service: Service) -> list[Json]:
    started = {task.facts.get("startedBy") for task in service.tasks.values()}
    return [each for each in service.deployments[1:] if each["id"] in started]


def _start(account: Account, service: Service, deployment: Json) -> None:
    facts = service.facts
    definition = account.ecs.describe_task_definition(deployment["taskDefinition"])
    params = {
        "startedBy": deployment["id"],
        "launchType": facts["launchType"],
        "networkConfiguration": facts.get("networkConfiguration", {}),
        "enableExecuteCommand": facts["enableExecuteCommand"],
        "tags": _propagated(service, definition.tags),
    }
    cluster = facts["clusterArn"]
    group = f"service:{service.name}"
    task = tasks.new_task(cluster, definition, params, account.network, group, service)
    account.fleet.add_task(cluster.rsplit("/", 1)[1], task)


def _propagated(service: Service, definition_tags: list[Json]) -> list[Json]:
    sources = {"SERVICE": service.facts["tags"], "TASK_DEFINITION": definition_tags}
    tags = list(sources.get(service.facts["propagateTags"], []))
    if service.facts["enableECSManagedTags"]:
        cluster = service.facts["clusterArn"].rsplit("/", 1)[1]
        tags.append({"key": "aws:ecs:clusterName", "value": cluster})
        tags.append({"key": "aws:ecs:serviceName", "value": service.name})
    return tags


def _register(account: Account, task: Task) -> None:
    """Register a running task of a service in its target groups and in Cloud Map."""
    if task.service is None:
        return
    ip = tasks.private_ip(task)
    for each in task.service.facts["loadBalancers"]:
        account.targets.register(each["targetGroupArn"], ip, each["containerPort"])
    for each in task.service.facts["serviceRegistries"]:
        service = account.cloud_map.services.get(each["registryArn"].rsplit("/", 1)[1])
        if service is not None:
            attributes = {"AWS_INSTANCE_IPV4": ip, "AWS_INIT_HEALTH_STATUS": "HEALTHY"}
            attributes["ECS_SERVICE_NAME"] = task.service.name
            account.cloud_map.register_instance(service.id, task.id, task.id, attributes)


def _deregister(account: Account, task: Task) -> None:
    if task.service is None:
        return
    account.targets.deregister(tasks.private_ip(task))
    for service in account.cloud_map.services.values():
        service.instances = [each for each in service.instances if each.instance_id != task.id]
