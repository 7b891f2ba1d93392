"""The placeholder rule: matches no request, and associates a target group with a load balancer.

ECS refuses a service whose target group no load balancer uses, ELB checks the health of a target
group only if a rule forwards to it, and no route plan can name a service that does not exist yet.
Route plans replace it by their own rules.
"""

from collections.abc import Mapping
from hashlib import sha256

from worker.provider import Call
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.pauses import retry
from worker.providers.ecs.elb import requests, rules
from worker.providers.ecs.elb.requests import PRIORITY_IN_USE, RULE_NOT_FOUND, DescribedRule
from worker.providers.ecs.elb.rules import HEADER, PLACEHOLDER, PURPOSE, Condition, RuleSpec

HEADER_NAME = "x-platformatic-bootstrap"
SECRET_DIGITS = 16
HIGHEST_PRIORITY = 49_000
"""The first priority tried, downwards: plans take the lowest ones, and are staged above."""


def spec(service: str, target: str, tags: Mapping[str, str]) -> RuleSpec:
    """Return the placeholder rule of a service's target group.

    It matches a header value that no client sends by chance.
    """
    secret = sha256(f"{service}:{target}".encode()).hexdigest()[:SECRET_DIGITS]
    condition = Condition(HEADER, secret, HEADER_NAME)
    return RuleSpec((condition,), target, {**tags, PURPOSE: PLACEHOLDER})


async def ensure(
    aws: BoundClient, call: Call, listener: str, wanted: RuleSpec, base_s: float
) -> str | None:
    """Make the rule unless a rule forwards to its target group; return its ARN if made.

    `base_s` is the first delay after another writer took the priority.
    """
    return await retry(
        call,
        base_s,
        {PRIORITY_IN_USE},
        "other writers keep taking the listener's priorities",
        lambda: _ensured(aws, listener, wanted),
    )


async def _ensured(aws: BoundClient, listener: str, wanted: RuleSpec) -> str | None:
    present = await requests.describe_rules(aws, listener)
    if any(wanted.target in rules.targets(rule) for rule in present):
        return None
    return await requests.create_rule(
        aws,
        listener,
        _free(present),
        rules.conditions(wanted.conditions),
        rules.actions(wanted.target),
        wanted.tags,
    )


def _free(present: list[DescribedRule]) -> int:
    taken = {rule.priority for rule in present}
    free = (number for number in range(HIGHEST_PRIORITY, 1, -1) if str(number) not in taken)
    return next(free)


async def remove(
    aws: BoundClient, call: Call, listener: str, cluster: str, group: str, base_s: float
) -> None:
    """Delete our rules that forward only to a target group, including the rules of plans."""
    ours = await retry(
        call,
        base_s,
        {RULE_NOT_FOUND},
        "other writers keep deleting rules",
        lambda: _ours(aws, listener, cluster, group),
    )
    for arn in ours:
        await requests.delete_rule(aws, arn)


async def _ours(aws: BoundClient, listener: str, cluster: str, group: str) -> list[str]:
    present = await requests.describe_rules(aws, listener)
    found = [rule.arn for rule in present if rules.targets(rule) == {group}]
    tags = await requests.describe_tags(aws, found)
    return [arn for arn in found if ownership.is_ours(tags.get(arn, {}), cluster)]
