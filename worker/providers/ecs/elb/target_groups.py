"""The target group of a service: found by its name, made, changed and deleted."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct, field

from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs.aws import errors, ownership, tags
from worker.providers.ecs.aws.answers import Nothing
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.pauses import retry
from worker.providers.ecs.elb import requests
from worker.ttl_cache import TtlCache

NAME_LIMIT = 25
HASH_DIGITS = 6
TRAFFIC_PORT = "traffic-port"
INTERVALS: Object = {
    "HealthCheckIntervalSeconds": 10,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
}
REMEMBERED = 100
LIFETIME_S = 3600


class TargetGroup(Struct, frozen=True, rename="pascal"):
    """A target group: the addresses of the tasks of a service."""

    arn: str = field(name="TargetGroupArn")
    health_check_path: str = "/"
    health_check_port: str = TRAFFIC_PORT
    load_balancer_arns: list[str] | None = None
    """Empty where no rule forwards to the group."""


class TargetGroups(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeTargetGroups and CreateTargetGroup."""

    target_groups: list[TargetGroup]


class Balancer(Struct, frozen=True, rename="pascal"):
    """A load balancer."""

    vpc_id: str


class Balancers(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeLoadBalancers."""

    load_balancers: list[Balancer]


class Vpcs:
    """A cache of the networks of listeners, which never change."""

    def __init__(self) -> None:
        self._known: TtlCache[str, str] = TtlCache(REMEMBERED, LIFETIME_S)

    async def of(self, aws: BoundClient, listener: str) -> str:
        """Return the id of the network of a listener's load balancer."""
        known = self._known.get(listener)
        if known is None:
            known = await _vpc(aws, listener)
            self._known.put(listener, known)
        return known


async def _vpc(aws: BoundClient, listener: str) -> str:
    for each in await requests.describe_listener(aws, listener):
        answer = await aws.ask(
            "elasticloadbalancing:DescribeLoadBalancers",
            Balancers,
            LoadBalancerArns=[each.load_balancer_arn],
        )
        for balancer in answer.load_balancers:
            return balancer.vpc_id
    raise errors.unexpected("elasticloadbalancing:DescribeListeners", "it has no load balancer")


def group_name(service: str) -> str:
    """Return the name of a service's target group: ELB allows 32 letters, digits and '-'."""
    digits = sha256(service.encode()).hexdigest()[:HASH_DIGITS]
    allowed = re.sub(r"[^A-Za-z0-9-]", "-", service)
    cut = allowed.lstrip("-")[:NAME_LIMIT].rstrip("-")
    return f"{cut or 'service'}-{digits}"


def is_of(service: str, arn: str) -> bool:
    """Return whether a target group is the one that machinist makes for a service."""
    return f":targetgroup/{group_name(service)}/" in arn


def health_check(path: str, port: int, served: int) -> Object:
    """Return the parameters of a health check; `served` is the port of the target group."""
    return {
        "HealthCheckPath": path,
        "HealthCheckPort": TRAFFIC_PORT if port == served else str(port),
    }


async def ensure(
    aws: BoundClient,
    cluster: str,
    service: str,
    *,
    vpc: str,
    port: int,
    check: Object,
    tagged: Mapping[str, str],
) -> tuple[TargetGroup, bool]:
    """Return the target group of a service, and whether it was created."""
    found = await find(aws, service)
    if found is None:
        try:
            return await _create(aws, service, vpc, port, check, tagged), True
        except Failure as failure:
            if failure.aws_code != "DuplicateTargetGroupName":
                raise
            found = await find(aws, service)
            if found is None:
                raise
    own = (await requests.describe_tags(aws, [found.arn])).get(found.arn, {})
    ownership.refuse_foreign(f'the target group "{group_name(service)}"', own, cluster)
    return found, False


def present_check(found: TargetGroup) -> Object:
    """Return the health check of a target group, in the form of `health_check`."""
    return {
        "HealthCheckPath": found.health_check_path,
        "HealthCheckPort": found.health_check_port,
    }


async def change_check(aws: BoundClient, arn: str, check: Object) -> None:
    """Give a target group another health check."""
    await aws.ask("elasticloadbalancing:ModifyTargetGroup", Nothing, TargetGroupArn=arn, **check)


async def _create(
    aws: BoundClient, service: str, vpc: str, port: int, check: Object, tagged: Mapping[str, str]
) -> TargetGroup:
    answer = await aws.ask(
        "elasticloadbalancing:CreateTargetGroup",
        TargetGroups,
        Name=group_name(service),
        Protocol="HTTP",
        Port=port,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckProtocol="HTTP",
        Tags=tags.pascal(tagged),
        **check,
        **INTERVALS,
    )
    for group in answer.target_groups:
        return group
    raise errors.unexpected("elasticloadbalancing:CreateTargetGroup", "it contains no target group")


async def find(aws: BoundClient, service: str) -> TargetGroup | None:
    """Return the target group of a service, or None."""
    return await _described(aws, Names=[group_name(service)])


async def by_arn(aws: BoundClient, arn: str) -> TargetGroup | None:
    """Return the target group of an ARN, or None."""
    return await _described(aws, TargetGroupArns=[arn])


async def _described(aws: BoundClient, **which: Any) -> TargetGroup | None:
    try:
        answer = await aws.ask("elasticloadbalancing:DescribeTargetGroups", TargetGroups, **which)
    except Failure as failure:
        if failure.aws_code != "TargetGroupNotFound":
            raise
        return None
    return next(iter(answer.target_groups), None)


async def discard(aws: BoundClient, call: Call, arn: str, base_s: float) -> None:
    """Delete a target group; wait a few times until ELB knows that no rule forwards to it."""
    await retry(
        call,
        base_s,
        {"ResourceInUse"},
        "it is still in use",
        lambda: aws.ask("elasticloadbalancing:DeleteTargetGroup", Nothing, TargetGroupArn=arn),
    )
