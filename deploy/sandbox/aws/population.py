"""Methods that add and change clusters, services and tasks from Python."""

import copy
from typing import Any

from deploy.sandbox.aws import (
    scheduler,
    service_requests,
    services,
    task_requests,
    tasks,
)
from deploy.sandbox.aws.fleet import Task
from deploy.sandbox.aws.identifiers import SERVICE_NOT_FOUND
from deploy.sandbox.aws.infrastructure import Infrastructure
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.task_definitions import find_definition

_DEFAULT_IMAGE = "registry.example/app:1"


class Population(Infrastructure):
    """Clusters, services and tasks of an account; all methods are thread-safe and return copies."""

    def add_cluster(self, name: str = "default") -> str:
        """Add a cluster and return its ARN."""
        with self.account.lock:
            return str(self.account.ecs.create_cluster(name).arn)

    def add_task_definition(
        self,
        family: str,
        image: str = _DEFAULT_IMAGE,
        *,
        container_port: int = 3042,
        cpu: str = "256",
        memory: str = "512",
        tags: dict[str, str] | None = None,
        containers: list[Json] | None = None,
    ) -> str:
        """Add a Fargate revision; its first container has the family's name."""
        ports = [{"containerPort": container_port, "protocol": "tcp"}]
        first = {"name": family, "image": image, "portMappings": ports, "essential": True}
        with self.account.lock:
            definition = self.account.ecs.register_task_definition(
                family,
                [first, *(containers or [])],
                network_mode="awsvpc",
                requires_compatibilities=["FARGATE"],
                cpu=cpu,
                memory=memory,
                tags=_listed(tags),
            )
        return str(definition.arn)

    def add_service(
        self,
        name: str,
        cluster: str = "default",
        *,
        desired: int = 1,
        tags: dict[str, str] | None = None,
        image: str = _DEFAULT_IMAGE,
        container_port: int = 3042,
        propagate_tags: bool = True,
        task_tags: dict[str, str] | None = None,
        target_group_arn: str | None = None,
        registry_arn: str | None = None,
        cpu: str = "256",
        memory: str = "512",
        task_definition: str | None = None,
        **more: Any,
    ) -> Json:
        """Add a Fargate service with its tasks and return its description.

        `task_tags` are added to the tasks that start now; `more` are parameters of CreateService.
        An absent cluster is created.
        """
        with self.account.lock:
            if cluster not in self.account.ecs.clusters:
                self.add_cluster(cluster)
            definition = task_definition or self.add_task_definition(
                name, image, container_port=container_port, cpu=cpu, memory=memory
            )
            balancer: Json = {"targetGroupArn": target_group_arn, "containerName": name}
            balancer["containerPort"] = container_port
            params: Json = {
                "cluster": cluster,
                "serviceName": name,
                "desiredCount": desired,
                "launchType": "FARGATE",
                "taskDefinition": definition,
                "networkConfiguration": self._network_configuration(),
                "propagateTags": "SERVICE" if propagate_tags else "NONE",
                "tags": _listed(tags),
                "loadBalancers": [balancer] if target_group_arn else [],
                "serviceRegistries": [{"registryArn": registry_arn}] if registry_arn else [],
            }
            service_requests.create_service(self.account, {**params, **more})
            scheduler.run_due(self.account)
            for task in self.account.fleet.services(cluster)[name].tasks.values():
                _add_tags(task.facts["tags"], task_tags)
            return self.service(name, cluster)

    def add_task(
        self,
        cluster: str = "default",
        *,
        image: str = _DEFAULT_IMAGE,
        tags: dict[str, str] | None = None,
        group: str | None = None,
        family: str = "standalone",
        started_by: str | None = None,
        task_definition: str | None = None,
    ) -> str:
        """Add a task without a service and return its ARN."""
        with self.account.lock:
            if cluster not in self.account.ecs.clusters:
                self.add_cluster(cluster)
            arn = task_definition or self._definition_with(family, image)
            params: Json = {
                "networkConfiguration": self._network_configuration(),
                "tags": _listed(tags),
                "group": group,
                "startedBy": started_by,
            }
            definition = find_definition(self.account, arn)
            task = task_requests.start(self.account, cluster, definition, params)
            scheduler.run_due(self.account)
            return str(task.facts["taskArn"])

    def trip_circuit_breaker(self, name: str, cluster: str = "default") -> None:
        """Fail the newest deployment of a service, as if its tasks did not start."""
        with self.account.lock:
            services.trip(self.account.fleet.services(cluster)[name])
            scheduler.run_due(self.account)

    def stop_task(self, arn: str, reason: str = "Essential container in task exited") -> None:
        """Stop a task, as if its container had exited; a service starts another one."""
        with self.account.lock:
            task = self._task(arn)
            scheduler.stop(self.account, task, "EssentialContainerExited", reason)
            scheduler.run_due(self.account)

    def set_task_health(self, arn: str, status: str) -> None:
        """Set the result of the container health checks: HEALTHY, UNHEALTHY or UNKNOWN."""
        with self.account.lock:
            facts = self._task(arn).facts
            facts["healthStatus"] = status
            for container in facts["containers"]:
                container["healthStatus"] = status

    def set_task_tags(self, arn: str, tags: dict[str, str]) -> None:
        with self.account.lock:
            self._task(arn).facts["tags"] = _listed(tags)

    def service(self, name: str, cluster: str = "default") -> Json:
        """Return a service as DescribeServices does, with tags; times are epoch seconds."""
        with self.account.lock:
            scheduler.run_due(self.account)
            service = self.account.fleet.services(cluster).get(name)
            if service is None:
                raise Refusal(*SERVICE_NOT_FOUND)
            return copy.deepcopy(services.described(service, True))

    def services(self, cluster: str = "default") -> list[Json]:
        """Return all services that DescribeServices finds, including INACTIVE ones."""
        with self.account.lock:
            names = list(self.account.fleet.services(cluster))
            return [self.service(name, cluster) for name in names]

    def tasks(self, cluster: str = "default", service: str | None = None) -> list[Json]:
        """Return tasks as DescribeTasks does, with tags and including stopped ones."""
        with self.account.lock:
            scheduler.run_due(self.account)
            found = self.account.fleet.tasks(cluster).values()
            return [
                copy.deepcopy(tasks.described(task, True))
                for task in found
                if service is None or task.facts["group"] == f"service:{service}"
            ]

    def _task(self, arn: str) -> Task:
        cluster, id = arn.split("/")[-2:]
        return self.account.fleet.tasks(cluster)[id]

    def _definition_with(self, family: str, image: str) -> str:
        """Return the newest revision if it has the image, otherwise a new one."""
        present = find_definition(self.account, family)
        if present is not None and present.container_definitions[0]["image"] == image:
            return str(present.arn)
        return self.add_task_definition(family, image)

    def _network_configuration(self) -> Json:
        network = {"subnets": self.subnets, "securityGroups": [self.security_group]}
        return {"awsvpcConfiguration": {**network, "assignPublicIp": "DISABLED"}}


def _listed(tags: dict[str, str] | None) -> list[Json]:
    return [{"key": key, "value": value} for key, value in (tags or {}).items()]


def _add_tags(present: list[Json], tags: dict[str, str] | None) -> None:
    merged = {tag["key"]: tag["value"] for tag in present} | (tags or {})
    present[:] = _listed(merged)
