"""What ECS runs: services and tasks by cluster, as ECS describes them. moto keeps the clusters."""

import time
from dataclasses import dataclass, field

from deploy.sandbox.aws.messages import Json


@dataclass(eq=False)
class Task:
    """`facts` as DescribeTasks gives them, tags included; `since` when the status last changed."""

    facts: Json
    service: "Service | None" = None
    since: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return str(self.facts["taskArn"].rsplit("/", 1)[1])

    @property
    def stopped(self) -> bool:
        return bool(self.facts["lastStatus"] == "STOPPED")

    @property
    def wanted(self) -> bool:
        return bool(self.facts["desiredStatus"] == "RUNNING")

    @property
    def running(self) -> bool:
        return self.wanted and self.facts["lastStatus"] == "RUNNING"


@dataclass(eq=False)
class Service:
    """`facts` as DescribeServices gives them without the counts; `tasks` are those not stopped.

    `token` and `asked` are of the request that created it: repeating that one is no conflict.
    The first of `deployments` is the primary one.
    """

    facts: Json
    token: str | None = None
    asked: Json = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    deployments: list[Json] = field(default_factory=list)
    unsettled: bool = True

    @property
    def name(self) -> str:
        return str(self.facts["serviceName"])

    @property
    def active(self) -> bool:
        return bool(self.facts["status"] == "ACTIVE")


class Fleet:
    """Services by cluster and name, tasks by cluster and id, in the order of their creation."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Service]] = {}
        self._tasks: dict[str, dict[str, Task]] = {}
        # Only these can change by themselves.
        self.changing: dict[str, Task] = {}

    def services(self, cluster: str) -> dict[str, Service]:
        return self._services.setdefault(cluster, {})

    def tasks(self, cluster: str) -> dict[str, Task]:
        return self._tasks.setdefault(cluster, {})

    def add_task(self, cluster: str, task: Task) -> None:
        self.tasks(cluster)[task.id] = task
        self.changing[task.id] = task
        if task.service is not None:
            task.service.tasks[task.id] = task

    def all_services(self) -> list[Service]:
        return [service for each in self._services.values() for service in each.values()]

    def all_tasks(self) -> list[Task]:
        return [task for each in self._tasks.values() for task in each.values()]
