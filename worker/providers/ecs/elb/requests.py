"""Requests to ELB that several modules make, and AWS's answers to them."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from contracts.resources import Object
from worker.providers.ecs.aws import errors, tags
from worker.providers.ecs.aws.answers import Nothing
from worker.providers.ecs.aws.batches import batches
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.tags import PascalTag

PRIORITY_IN_USE = "PriorityInUse"
RULE_NOT_FOUND = "RuleNotFound"
TOO_MANY_RULES = "TooManyRules"
RULES_PER_PAGE = 400
TAGS_DESCRIBED_AT_ONCE = 20


class DescribedListener(Struct, frozen=True, rename="pascal"):
    """A listener."""

    arn: str = field(name="ListenerArn")
    load_balancer_arn: str
    port: int
    protocol: str


class DescribedRule(Struct, frozen=True, rename="pascal"):
    """A rule of a listener."""

    arn: str = field(name="RuleArn")
    priority: str
    conditions: list[Object] = []  # msgspec copies it for each struct
    actions: list[Object] = []
    is_default: bool = False


class _Listeners(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeListeners."""

    listeners: list[DescribedListener]


class _Rules(Struct, frozen=True, rename="pascal"):
    """A page of DescribeRules, and the answer of CreateRule."""

    rules: list[DescribedRule]


class _Tagged(Struct, frozen=True, rename="pascal"):
    """The tags of one resource."""

    resource_arn: str
    tags: list[PascalTag] = []


class _TagDescriptions(Struct, frozen=True, rename="pascal"):
    """The answer of DescribeTags."""

    tag_descriptions: list[_Tagged]


async def describe_listener(aws: BoundClient, listener: str) -> list[DescribedListener]:
    """Return the listener of an ARN, in a list."""
    answer = await aws.ask(
        "elasticloadbalancing:DescribeListeners", _Listeners, ListenerArns=[listener]
    )
    return answer.listeners


async def describe_rules(aws: BoundClient, listener: str) -> list[DescribedRule]:
    """Return all rules of a listener, including the default one."""
    pages = aws.pages(
        "elasticloadbalancing:DescribeRules",
        _Rules,
        ListenerArn=listener,
        PageSize=RULES_PER_PAGE,
    )
    return [rule async for page in pages for rule in page.rules]


async def describe_tags(aws: BoundClient, arns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the tags of target groups or rules by ARN."""
    found: dict[str, dict[str, str]] = {}
    for batch in batches(arns, TAGS_DESCRIBED_AT_ONCE):
        answer = await aws.ask(
            "elasticloadbalancing:DescribeTags", _TagDescriptions, ResourceArns=batch
        )
        found |= {each.resource_arn: tags.mapping(each.tags) for each in answer.tag_descriptions}
    return found


async def create_rule(
    aws: BoundClient,
    listener: str,
    priority: int,
    conditions: list[Object],
    actions: list[Object],
    tagged: Mapping[str, str],
) -> str:
    """Make a rule and return its ARN."""
    answer = await aws.ask(
        "elasticloadbalancing:CreateRule",
        _Rules,
        ListenerArn=listener,
        Priority=priority,
        Conditions=conditions,
        Actions=actions,
        Tags=tags.pascal(tagged),
    )
    for rule in answer.rules:
        return rule.arn
    raise errors.unexpected("elasticloadbalancing:CreateRule", "it contains no rule")


async def delete_rule(aws: BoundClient, arn: str) -> None:
    """Delete a rule; an absent rule counts as deleted."""
    try:
        await aws.ask("elasticloadbalancing:DeleteRule", Nothing, RuleArn=arn)
    except Failure as failure:
        if failure.aws_code != RULE_NOT_FOUND:
            raise
