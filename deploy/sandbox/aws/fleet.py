"""The services and tasks of ECS by cluster; the clusters are moto's."""

import time
from dataclasses import dataclass, field

from deploy.sandbox.aws.messages import Json


@dataclass(eq=False)
class Task:
    """A task; `facts` is its description with tags, `since` the time of the last status change."""

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
    """A service; `facts` is its description without counts, `tasks` are those not stopped.

    `token` and `params` belong to the request that created it, which may be repeated. The first of
    `deployments` is the primary one.
    """

    facts: Json
    token: str | None = None
    params: Json = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    deployments: list[Json] = field(default_factory=list)
    needs_work: bool = True

    @property
    def name(self) -> str:
        return str(self.facts["serviceName"])

    @property
    def active(self) -> bool:
        return bool(self.facts["status"] == "ACTIVE")


class Fleet:
    """Services by cluster and name, and tasks by cluster and id, in the order of creation."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Service]] = {}
        self._tasks: dict[str, dict[str, Task]] = {}
        # The tasks that are starting or stopping.
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
