"""The rule that nothing matches: it ties a new target group to its load balancer.

ECS refuses a service whose target group no load balancer uses, and no route plan can name a
service that does not exist yet. Route plans replace the rule by theirs.
"""

from hashlib import sha256
from typing import Any

from msgspec import Struct, field

from worker.provider import Call
from worker.providers.ecs import errors, ownership, target_groups
from worker.providers.ecs.client import Conversation
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.objects import Nothing
from worker.providers.ecs.pauses import persist
from worker.providers.ecs.workload import Wanted

PURPOSE = {"Key": "plt.dev/purpose", "Value": "bootstrap"}
HEADER = "x-platformatic-bootstrap"
SECRET_DIGITS = 16
HIGHEST_PRIORITY = 49_000
"""From here down, because plans look for room at the other end, and are prepared above."""
PAGE = 400
RULE_NOT_FOUND = "RuleNotFound"


class Forwarded(Struct, frozen=True, rename="pascal"):
    """One of the target groups of an action."""

    target_group_arn: str = ""


class Forward(Struct, frozen=True, rename="pascal"):
    """The target groups of an action, in the form that allows several."""

    target_groups: list[Forwarded] = []


class Action(Struct, frozen=True, rename="pascal"):
    """What a rule does; ELB says it in either form or in both."""

    target_group_arn: str = ""
    forward_config: Forward = Forward()

    def targets(self) -> set[str]:
        """The ARNs of the target groups."""
        both = {self.target_group_arn, *(each.target_group_arn for each in self._listed())}
        return both - {""}

    def _listed(self) -> list[Forwarded]:
        return self.forward_config.target_groups


class Rule(Struct, frozen=True, rename="pascal"):
    """A rule of a listener."""

    arn: str = field(name="RuleArn")
    priority: str
    actions: list[Action] = []

    def forwards_only_to(self, target_group: str) -> bool:
        """Whether a target group is all that the rule is for."""
        return set().union(*(action.targets() for action in self.actions)) == {target_group}


class Rules(Struct, frozen=True, rename="pascal"):
    """A page of DescribeRules, and the answer of CreateRule."""

    rules: list[Rule]


async def tie(
    talk: Conversation,
    call: Call,
    listener: str,
    cluster: str,
    wanted: Wanted,
    group: str,
    base_s: float,
) -> str | None:
    """Have a rule forward to the target group; the ARN of one that had to be made for it.

    `base_s` is the first of the waits after a priority was taken by somebody else meanwhile.
    """
    return await persist(
        call,
        base_s,
        {"PriorityInUse"},
        "others take the listener's priorities",
        lambda: _tied(talk, listener, cluster, wanted, group),
    )


async def _tied(
    talk: Conversation, listener: str, cluster: str, wanted: Wanted, group: str
) -> str | None:
    rules = await _rules(talk, listener)
    if any(group in action.targets() for rule in rules for action in rule.actions):
        return None
    return await _create(talk, listener, cluster, wanted, group, _free(rules))


async def _rules(talk: Conversation, listener: str) -> list[Rule]:
    pages = talk.pages(
        "elasticloadbalancing:DescribeRules", Rules, ListenerArn=listener, PageSize=PAGE
    )
    return [rule async for page in pages for rule in page.rules]


def _free(rules: list[Rule]) -> int:
    taken = {rule.priority for rule in rules}
    free = (number for number in range(HIGHEST_PRIORITY, 1, -1) if str(number) not in taken)
    return next(free)


async def _create(
    talk: Conversation, listener: str, cluster: str, wanted: Wanted, group: str, priority: int
) -> str:
    condition: dict[str, Any] = {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": HEADER, "Values": [_password(wanted, group)]},
    }
    answer = await talk.ask(
        "elasticloadbalancing:CreateRule",
        Rules,
        ListenerArn=listener,
        Priority=priority,
        Conditions=[condition],
        Actions=[{"Type": "forward", "TargetGroupArn": group}],
        Tags=[*target_groups.tags(wanted, cluster), PURPOSE],
    )
    for rule in answer.rules:
        return rule.arn
    raise errors.nonsense("elasticloadbalancing:CreateRule", "it names no rule")


def _password(wanted: Wanted, group: str) -> str:
    """A value that nobody sends by chance."""
    return sha256(f"{wanted.name}:{group}".encode()).hexdigest()[:SECRET_DIGITS]


async def untie(
    talk: Conversation, call: Call, listener: str, cluster: str, group: str, base_s: float
) -> None:
    """Delete the rules of ours that forward to nothing but the target group."""
    ours = await persist(
        call,
        base_s,
        {RULE_NOT_FOUND},
        "others delete rules all the time",
        lambda: _ours(talk, listener, cluster, group),
    )
    for arn in ours:
        await delete_rule(talk, arn)


async def _ours(talk: Conversation, listener: str, cluster: str, group: str) -> list[str]:
    rules = [rule.arn for rule in await _rules(talk, listener) if rule.forwards_only_to(group)]
    tags = await target_groups.tags_of(talk, rules)
    return [arn for arn in rules if ownership.is_ours(tags.get(arn, {}), cluster)]


async def delete_rule(talk: Conversation, arn: str) -> None:
    """Delete a rule; one that is absent already counts as deleted."""
    try:
        await talk.ask("elasticloadbalancing:DeleteRule", Nothing, RuleArn=arn)
    except Failure as failure:
        if failure.aws_code != RULE_NOT_FOUND:
            raise
