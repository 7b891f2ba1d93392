"""The target groups of the services of a route plan, and the health of their targets."""

from collections import Counter

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.ecs import controllers, names
from worker.providers.ecs.aws.answers import Service
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.elb.rules import is_default
from worker.providers.ecs.routes.route_plan import Pin, Plan

HEALTHY = "healthy"
INITIAL = "initial"
NOT_IN_USE = "Target.NotInUse"
LEAVING = frozenset({"Target.DeregistrationInProgress", "Target.NotRegistered"})
"""The reasons of targets whose tasks are being replaced or stopped."""
REPEAT_AFTER_S = 10
"""The interval of the health checks that target groups of workloads have."""


class Health(Struct, frozen=True, rename="pascal"):
    """The health of a target, and its reason."""

    state: str
    reason: str = ""


class Target(Struct, frozen=True, rename="pascal"):
    """One target of a target group."""

    target_health: Health


class Targets(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeTargetHealth."""

    target_health_descriptions: list[Target]


class Backend(Struct, frozen=True):
    """A service's target group, and the health of its targets.

    `starts` is true if the service has tasks to start.
    """

    target: str
    health: tuple[Health, ...]
    starts: bool = False

    @property
    def can_serve(self) -> bool:
        """True if at least one target is healthy."""
        return any(each.state == HEALTHY for each in self.health)

    @property
    def is_unchecked(self) -> bool:
        """True if ELB does not check the targets, because no rule forwards to them."""
        return bool(self._staying) and all(each.reason == NOT_IN_USE for each in self._staying)

    @property
    def is_pending(self) -> bool:
        """True if the targets are not checked yet, or only until a rule forwards to them."""
        if not self._staying:
            return self.starts
        return any(each.state == INITIAL or each.reason == NOT_IN_USE for each in self._staying)

    @property
    def _staying(self) -> list[Health]:
        return [each for each in self.health if each.reason not in LEAVING]

    def __str__(self) -> str:
        counted = Counter(each.state for each in self.health)
        return ", ".join(f"{count} {state}" for state, count in counted.items()) or "none"


async def find(aws: BoundClient, cluster: str, plan: Plan) -> dict[str, Backend]:
    """Return the backends of a plan by the names of their services, or raise `invalid`.

    An unreadable health is a fault: if it counted as unhealthy, pins would be removed.
    """
    wanted = sorted({pin.service for pin in plan.pins})
    active = await controllers.active(aws, cluster, wanted)
    services = {service.service_name: service for service in active}
    first = {pin.service: pin for pin in reversed(plan.pins)}
    targets = {name: _target(pin, services.get(name), cluster) for name, pin in first.items()}
    found = await gather_all(
        *(_health(aws, first[name], target) for name, target in targets.items())
    )
    health = zip(targets.items(), found, strict=True)
    return {
        name: Backend(target, tuple(how), _starts(services[name])) for (name, target), how in health
    }


def is_pending(plan: Plan, backends: dict[str, Backend]) -> bool:
    """Return whether the plan cannot be applied only because ELB has not checked targets yet."""
    needed = [backends[service] for service in _needed(plan)]
    return not any(each.can_serve for each in needed) and any(each.is_pending for each in needed)


def not_ready(plan: Plan, backends: dict[str, Backend]) -> Fault:
    """Return the fault of a plan that came to its deadline before its targets were checked."""
    return Fault(
        Code.PLATFORM_NOT_READY,
        f'the plan for "{plan.application}" is not applied yet and no route was changed: the load '
        f"balancer is still checking its targets. Repeat the request. {_targets(plan, backends)}",
        retry_after=REPEAT_AFTER_S,
    )


def refuse_unhealthy(plan: Plan, backends: dict[str, Backend]) -> None:
    """Raise `conflict` if no target of the default rule, or of any rule without one, is healthy."""
    needed = _needed(plan)
    if any(backends[service].can_serve for service in needed):
        return
    has_default = any(is_default(pin.conditions) for pin in needed.values())
    rule = "default rule" if has_default else "rules"
    raise Fault(
        Code.CONFLICT,
        f'the plan for "{plan.application}" is not applied: no target of its {rule} is healthy. '
        f"{_targets(plan, backends)}",
    )


def _needed(plan: Plan) -> dict[str, Pin]:
    """The pins by service; the target group of at least one must have a healthy target."""
    defaults = [pin for pin in plan.pins if is_default(pin.conditions)]
    return {pin.service: pin for pin in defaults or plan.pins}


def _targets(plan: Plan, backends: dict[str, Backend]) -> str:
    texts = "; ".join(
        f'of version {pin.version} ("{pin.named}"): {backends[service]}'
        for service, pin in _needed(plan).items()
    )
    return f"Targets {texts}"


def _starts(service: Service) -> bool:
    return service.desired_count > 0 and not controllers.is_stopped(service)


def _target(pin: Pin, service: Service | None, cluster: str) -> str:
    where = f"{pin.where}.backend.serviceName"
    if service is None:
        raise Fault(
            Code.INVALID,
            f'{where}: there is no active service "{pin.service}" in the cluster '
            f'"{names.cluster_name(cluster)}"',
        )
    groups = [each.target_group_arn for each in service.load_balancers if each.target_group_arn]
    if not groups:
        raise Fault(
            Code.INVALID,
            f'{where}: the service "{pin.service}" has no target group: it was made before the '
            "worker had PLT_ECS_LISTENER_ARN. Apply its workload again, to create one",
        )
    return groups[0]


async def _health(aws: BoundClient, pin: Pin, target: str) -> list[Health]:
    try:
        answer = await aws.ask(
            "elasticloadbalancing:DescribeTargetHealth", Targets, TargetGroupArn=target
        )
    except Failure as failure:
        if failure.aws_code != "TargetGroupNotFound":
            raise
        raise Fault(
            Code.INVALID,
            f'{pin.where}.backend.serviceName: the target group of the service "{pin.service}" '
            f"does not exist: {target}",
        ) from failure
    return [each.target_health for each in answer.target_health_descriptions]
