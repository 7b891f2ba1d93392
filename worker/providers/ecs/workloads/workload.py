"""The neutral workload as ECS on Fargate runs it, validated before any request; pure."""

from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.neutral import workload as neutral
from contracts.neutral.workload import HealthCheck, Workload
from contracts.resources import Object
from worker.observations import conforms
from worker.providers.ecs import names
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.elb import target_groups
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.translate import BOUNDS
from worker.providers.ecs.workloads import fargate
from worker.providers.ecs.workloads.fargate import Size


class Wanted(Struct, frozen=True):
    """A workload that Fargate can run."""

    workload: Workload
    name: str
    """The name of the service in ECS."""
    size: Size
    tags: dict[str, str]

    @property
    def machine_labels(self) -> dict[str, str]:
        """The labels of the tasks."""
        return {key: value for key, value in self.tags.items() if key not in BOUNDS}

    def load_balancer_tags(self, cluster: str) -> dict[str, str]:
        """Return the tags of the workload's target group and placeholder rule."""
        own = ownership.marks(cluster)
        application = neutral.application(self.workload)
        if conforms(application, names.TagValue):
            own[ownership.APPLICATION] = application
        if version := self.tags.get(ownership.VERSION):
            own[ownership.VERSION] = version
        return own

    def target_check(self) -> Object:
        """Return the health check of the workload's target group."""
        check = self.workload.health_check or HealthCheck()
        served = self.workload.ports.app
        return target_groups.health_check(check.ready_path, self.check_port(check), served)

    def check_port(self, check: HealthCheck) -> int:
        """Return the port of a health check."""
        ports = self.workload.ports
        return ports.metrics if check.port == "metrics" else ports.app


def read(specification: Object, cluster: str, settings: Settings) -> Wanted:
    """Return the workload; raise `invalid`, or `unsupported` if the worker lacks a setting."""
    workload = neutral.read(specification)
    name = names.service_name(workload.name, "workload.name", cluster)
    size = fargate.size(workload.resources)
    tags = neutral.machine_labels(workload)
    names.label_changes(workload.labels, "workload.labels")
    _check_number(tags, workload)
    _refuse_lacking(workload, settings)
    return Wanted(workload, name, size, tags)


def _check_number(tags: dict[str, str], workload: Workload) -> None:
    if len(tags) > names.TAG_LIMIT:
        added = len(tags) - len(workload.labels)
        raise Fault(
            Code.INVALID,
            f"workload.labels: expected at most {names.TAG_LIMIT - added} beside the {added} that "
            f"machinist derives from other fields, as AWS allows {names.TAG_LIMIT} tags, got "
            f"{len(workload.labels)}",
        )


def _refuse_lacking(workload: Workload, settings: Settings) -> None:
    """Raise `unsupported` if the workload needs a setting of the operator."""
    if not settings.subnets():
        raise _lacking("a workload", "PLT_ECS_SUBNETS, in which its tasks can run")
    if settings.ecs_execution_role_arn is None:
        role = "PLT_ECS_EXECUTION_ROLE_ARN, the role with which Fargate"
        if workload.pull_secret is not None:
            raise _lacking("a workload with a pull secret", f"{role} reads the secret")
        if settings.ecs_log_group is not None:
            raise _lacking("a workload that logs to PLT_ECS_LOG_GROUP", f"{role} writes logs")


def _lacking(what: str, setting: str) -> Fault:
    return Fault(Code.UNSUPPORTED, f"{what} needs a worker with {setting}; it is not set")
