"""A short life of an application on ECS, which needs every right of the shipped policy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct, field

from contracts import api
from contracts.faults import Fault
from contracts.operation import Operation
from contracts.resources import Object
from deploy.sandbox.aws.iam import policy
from deploy.sandbox.aws.iam.policy import Policy
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.workloads import builders
from tests.ecs.workloads.builders import CLUSTER
from tests.workloads import specification
from worker.dispatch import methods
from worker.providers.ecs.provider import EcsProvider

APPLICATION = "orders-api"
SEED = "seed"
TASK_ROLE = "arn:aws:iam::123456789012:role/application"
LABEL = {"app.kubernetes.io/name": APPLICATION}


def shipped(aws: AwsSandbox) -> Policy:
    """Return the shipped policy for the cluster, the roles and the listener of the scenario."""
    assert aws.listener_arn is not None
    assert aws.namespace_id is not None
    document = aws.guard.shipped(
        WorkloadCluster=CLUSTER,
        WorkloadExecutionRoleArn=builders.ROLE,
        WorkloadTaskRoleArn=TASK_ROLE,
        Listener=aws.listener_arn.partition(":listener/")[2],
        WorkloadNamespaceId=aws.namespace_id,
        WorkerRoleArn=aws.account.worker_role,
    )
    return policy.read(document)


def populate(aws: AwsSandbox) -> None:
    """Add the cluster, the listener and the namespace that an operator provides.

    The role of the workers has a path, which only IAM knows. Two secrets exist before their
    workloads, one of them scheduled for deletion.
    """
    aws.reset()
    aws.account.worker_role = f"arn:aws:iam::{aws.account.number}:role/teams/shop/worker"
    aws.add_cluster(CLUSTER)
    aws.add_listener("public")
    aws.add_cloud_map_namespace("apps.internal")
    aws.add_service(SEED, CLUSTER, desired=1)
    for version in ("v8", "v9"):
        secret = f"{name(version)}-pull"
        aws.account.secrets.create_secret(secret, "theirs", None, None, None, None, None, [], False)
    aws.account.secrets.delete_secret(secret, 7, False)


@asynccontextmanager
async def worker(aws: AwsSandbox) -> AsyncIterator[EcsProvider]:
    """A provider that keeps no former task definitions, so that each re-apply retires one."""
    roles = {"PLT_ECS_TASK_ROLE_ARN": TASK_ROLE, "PLT_ECS_KEEP_REVISIONS": "0"}
    async with builders.worker(aws, **roles) as provider:
        yield provider


def name(version: str) -> str:
    return f"{APPLICATION}-{version}"


class Scenario(Struct):
    """The operations of the scenario, and what they reported beside their results."""

    aws: AwsSandbox
    provider: EcsProvider
    tried: set[str] = field(default_factory=set)
    reports: list[str] = field(default_factory=list)
    """Messages of faults and warnings, and what a clean-up left behind."""

    async def run(self) -> None:
        """Run all operations in order; a fault does not stop the next one."""
        await self._workloads()
        await self._queries()
        await self._changes()
        await self._routes()
        await self._deletions()
        access = await self.provider.platform_access([CLUSTER], ample())
        self.reports += [access.unchecked] if access.unchecked else []

    async def _workloads(self) -> None:
        await self._apply("v7")
        changed = {"password": "other", "registry": "reg.example.com", "username": "ci"}
        labels = specification()["labels"] | {"tier": "web"}
        check = {"readyPath": "/health", "livePath": "/status", "port": "metrics"}
        await self._apply("v7", pullSecret=changed, labels=labels, healthCheck=check)
        # Without the label `tier`, which is removed again.
        await self._apply("v7", pullSecret=changed)
        await self._apply("v8")
        await self._apply("v9")

    async def _queries(self) -> None:
        machine = self._machine
        await self._do(api.GetMachine(CLUSTER, machine))
        await self._do(api.GetMachines(CLUSTER))
        await self._do(api.GetMachines(CLUSTER, LABEL))
        await self._do(api.GetControllers(CLUSTER))
        await self._do(api.GetControllers(CLUSTER, machine))
        await self._do(api.GetController(CLUSTER, name("v7")))
        await self._do(api.GetServicesByLabels(CLUSTER, LABEL))
        await self._do(api.ListGateways(CLUSTER))

    async def _changes(self) -> None:
        for value in ("b", None):
            await self._do(api.SetMachineLabels(CLUSTER, self._machine, {"a": value}))
        await self._do(api.UpdateControllerReplicas(CLUSTER, name("v7"), 3))

    async def _routes(self) -> None:
        first = [pin("v7"), lead("v8")]
        await self._plan(first)
        await self._plan([pin("v8"), lead("v7")], generation=1, emittedAt=1)
        # On a full listener, rules are changed in place, and lose the tag of emittedAt.
        self.aws.faults.add(
            "elasticloadbalancing:CreateRule", "TooManyRules", message="so", times=1
        )
        await self._plan(first, generation=2)
        await self._do(api.GetHttpRoute(CLUSTER, APPLICATION))
        await self._do(api.DeleteHttpRoute(CLUSTER, APPLICATION))

    async def _deletions(self) -> None:
        # Instances that ECS has not deregistered yet.
        self.aws.pace.stopped_after = None
        for entry in self.aws.account.cloud_map.services:
            self.aws.account.cloud_map.register_instance(entry, "task", "", {})
        await self._do(api.DeleteService(CLUSTER, name("v8")))
        for version in ("v7", "v8"):
            await self._do(api.DeleteController(CLUSTER, name(version)))

    @property
    def _machine(self) -> str:
        return str(self.aws.tasks(CLUSTER, SEED)[0]["taskArn"])

    async def _apply(self, version: str, **changes: Any) -> None:
        wanted = {"name": name(version), "version": version} | changes
        await self._do(api.ApplyWorkload(CLUSTER, specification(**wanted)))

    async def _plan(self, rules: list[Object], **more: Any) -> None:
        plan = {"appName": APPLICATION, "hostname": "orders.example.org", "rules": rules} | more
        await self._do(api.ApplyRoutePlan(CLUSTER, plan))

    async def _do(self, operation: Operation[Any]) -> None:
        self.tried.add(operation.row.name)
        call = ample()
        try:
            answer = await methods(self.provider)[operation.row.name](operation, call)
        except Fault as fault:
            self.reports.append(fault.message)
        else:
            self.reports += answer.get("left", []) if isinstance(answer, dict) else []
        self.reports += call.warnings


def pin(version: str) -> Object:
    """Return the rule of a version that a query parameter selects."""
    return lead(version) | {"match": {"kind": "queryParam", "name": "dpl", "value": version}}


def lead(version: str) -> Object:
    """Return the default rule of a version."""
    backend = {"serviceName": name(version)}
    return {"match": {"kind": "default"}, "backend": backend, "versionId": version}
