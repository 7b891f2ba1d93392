"""The target group of a service: found by its name, made, kept in step, removed with its rules."""

import re
from hashlib import sha256
from typing import Any

from msgspec import Struct, field

from contracts import workload as neutral
from contracts.resources import Object
from contracts.workload import HealthCheck
from worker.observations import conforms
from worker.provider import Call
from worker.providers.ecs import errors, names, ownership, task_definitions
from worker.providers.ecs.batches import batches
from worker.providers.ecs.client import Conversation
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.objects import Nothing
from worker.providers.ecs.pauses import persist
from worker.providers.ecs.workload import Wanted
from worker.ttl_cache import TtlCache

NAME_LIMIT = 25
HASH_DIGITS = 6
TAGS_DESCRIBED_AT_ONCE = 20
TRAFFIC_PORT = "traffic-port"
INTERVALS: Object = {
    "HealthCheckIntervalSeconds": 10,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
}
REMEMBERED = 100
LIFETIME_S = 3600


class Tag(Struct, frozen=True, rename="pascal"):
    """A tag, in the words of ELB."""

    key: str
    value: str = ""


class TargetGroup(Struct, frozen=True, rename="pascal"):
    """Where a load balancer finds the tasks of a service."""

    arn: str = field(name="TargetGroupArn")
    health_check_path: str = "/"
    health_check_port: str = TRAFFIC_PORT
    load_balancer_arns: list[str] | None = None
    """Empty where no rule forwards to the group."""


class TargetGroups(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeTargetGroups and CreateTargetGroup."""

    target_groups: list[TargetGroup]


class Tagged(Struct, frozen=True, rename="pascal"):
    """The tags of one thing."""

    resource_arn: str
    tags: list[Tag] = []


class TagDescriptions(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeTags."""

    tag_descriptions: list[Tagged]


class Listener(Struct, frozen=True, rename="pascal"):
    """Where requests arrive."""

    load_balancer_arn: str


class Listeners(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeListeners."""

    listeners: list[Listener]


class Balancer(Struct, frozen=True, rename="pascal"):
    """A load balancer."""

    vpc_id: str


class Balancers(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeLoadBalancers."""

    load_balancers: list[Balancer]


class Vpcs:
    """Remembers in which network a listener is: that never changes."""

    def __init__(self) -> None:
        self._known: TtlCache[str, str] = TtlCache(REMEMBERED, LIFETIME_S)

    async def of(self, talk: Conversation, listener: str) -> str:
        """The id of the network of a listener's load balancer."""
        known = self._known.get(listener)
        if known is None:
            known = await _vpc(talk, listener)
            self._known.put(listener, known)
        return known


async def _vpc(talk: Conversation, listener: str) -> str:
    found = await talk.ask(
        "elasticloadbalancing:DescribeListeners", Listeners, ListenerArns=[listener]
    )
    for each in found.listeners:
        answer = await talk.ask(
            "elasticloadbalancing:DescribeLoadBalancers",
            Balancers,
            LoadBalancerArns=[each.load_balancer_arn],
        )
        for balancer in answer.load_balancers:
            return balancer.vpc_id
    raise errors.nonsense("elasticloadbalancing:DescribeListeners", "it has no load balancer")


def group_name(service: str) -> str:
    """What the target group of a service is called: ELB allows 32 letters, digits and '-'."""
    digits = sha256(service.encode()).hexdigest()[:HASH_DIGITS]
    allowed = re.sub(r"[^A-Za-z0-9-]", "-", service)
    cut = allowed.lstrip("-")[:NAME_LIMIT].rstrip("-")
    return f"{cut or 'service'}-{digits}"


def is_of(service: str, arn: str) -> bool:
    """Whether a target group is the one that is made for a service."""
    return f":targetgroup/{group_name(service)}/" in arn


def tags(wanted: Wanted, cluster: str) -> list[dict[str, str]]:
    """The tags of what a load balancer has for a workload."""
    own = ownership.marks(cluster)
    application = neutral.application(wanted.workload)
    if conforms(application, names.TagValue):
        own[ownership.APPLICATION] = application
    if version := wanted.tags.get(ownership.VERSION):
        own[ownership.VERSION] = version
    return [{"Key": key, "Value": value} for key, value in own.items()]


def health_check(wanted: Wanted) -> Object:
    """How a load balancer finds out which tasks are ready."""
    check = wanted.workload.health_check or HealthCheck()
    asked = task_definitions.port(wanted.workload, check)
    served = wanted.workload.ports.app
    return {
        "HealthCheckPath": check.ready_path,
        "HealthCheckPort": TRAFFIC_PORT if asked == served else str(asked),
    }


async def settle(
    talk: Conversation, cluster: str, wanted: Wanted, vpc: str
) -> tuple[TargetGroup, bool]:
    """The target group of a workload, and whether it was created."""
    found = await find(talk, wanted.name)
    if found is None:
        try:
            return await _create(talk, cluster, wanted, vpc), True
        except Failure as failure:
            if failure.aws_code != "DuplicateTargetGroupName":
                raise
            found = await find(talk, wanted.name)
            if found is None:
                raise
    tags = (await tags_of(talk, [found.arn])).get(found.arn, {})
    ownership.refuse_foreign(f'the target group "{group_name(wanted.name)}"', tags, cluster)
    return found, False


def present_check(found: TargetGroup) -> Object:
    """The health check that a target group has, as `health_check` says it."""
    return {
        "HealthCheckPath": found.health_check_path,
        "HealthCheckPort": found.health_check_port,
    }


async def change_check(talk: Conversation, arn: str, check: Object) -> None:
    """Give a target group another health check."""
    await talk.ask("elasticloadbalancing:ModifyTargetGroup", Nothing, TargetGroupArn=arn, **check)


async def _create(talk: Conversation, cluster: str, wanted: Wanted, vpc: str) -> TargetGroup:
    answer = await talk.ask(
        "elasticloadbalancing:CreateTargetGroup",
        TargetGroups,
        Name=group_name(wanted.name),
        Protocol="HTTP",
        Port=wanted.workload.ports.app,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckProtocol="HTTP",
        Tags=tags(wanted, cluster),
        **health_check(wanted),
        **INTERVALS,
    )
    for group in answer.target_groups:
        return group
    raise errors.nonsense("elasticloadbalancing:CreateTargetGroup", "it names no target group")


async def find(talk: Conversation, service: str) -> TargetGroup | None:
    """The target group of a service."""
    return await _described(talk, Names=[group_name(service)])


async def by_arn(talk: Conversation, arn: str) -> TargetGroup | None:
    """A target group, None where it is gone."""
    return await _described(talk, TargetGroupArns=[arn])


async def _described(talk: Conversation, **which: Any) -> TargetGroup | None:
    try:
        answer = await talk.ask("elasticloadbalancing:DescribeTargetGroups", TargetGroups, **which)
    except Failure as failure:
        if failure.aws_code != "TargetGroupNotFound":
            raise
        return None
    return next(iter(answer.target_groups), None)


async def tags_of(talk: Conversation, arns: list[str]) -> dict[str, dict[str, str]]:
    """The tags of groups and rules by ARN."""
    found: dict[str, dict[str, str]] = {}
    for batch in batches(arns, TAGS_DESCRIBED_AT_ONCE):
        answer = await talk.ask(
            "elasticloadbalancing:DescribeTags", TagDescriptions, ResourceArns=batch
        )
        for each in answer.tag_descriptions:
            found[each.resource_arn] = {tag.key: tag.value for tag in each.tags}
    return found


async def discard(talk: Conversation, call: Call, arn: str, base_s: float) -> None:
    """Delete a target group, waiting a few times until ELB knows that no rule forwards to it."""
    await persist(
        call,
        base_s,
        {"ResourceInUse"},
        "it stays in use",
        lambda: talk.ask("elasticloadbalancing:DeleteTargetGroup", Nothing, TargetGroupArn=arn),
    )
