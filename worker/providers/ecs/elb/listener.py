"""The rules of one listener: reads and changes them, and decides nothing."""

from collections.abc import Iterable, Mapping

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.ecs.aws import errors
from worker.providers.ecs.aws.answers import Nothing
from worker.providers.ecs.aws.batches import batches
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.tags import pascal
from worker.providers.ecs.elb import requests, rules
from worker.providers.ecs.elb.requests import (
    PRIORITY_IN_USE,
    RULE_NOT_FOUND,
    TAGS_DESCRIBED_AT_ONCE,
    DescribedRule,
)
from worker.providers.ecs.elb.rules import Rule, RuleSpec
from worker.ttl_cache import TtlCache

READS = 5
REMEMBERED = 10_000
LIFETIME_S = 300


class Owners(TtlCache[str, Mapping[str, str]]):
    """A cache of the tags of rules by ARN; the application of a rule never changes.

    A rule that an operator tags by hand is found once its entry has expired.
    """

    def __init__(self) -> None:
        super().__init__(REMEMBERED, LIFETIME_S)


class Listener:
    """The rules of a listener, for the commands of one application."""

    def __init__(
        self, aws: BoundClient, arn: str, application: str, cluster: str, owners: Owners
    ) -> None:
        """`cluster` is the name of the cluster that the application runs in."""
        self._owners = owners
        self._aws = aws
        self.arn = arn
        self.application = application
        self.cluster = cluster
        self._tags: dict[str, Mapping[str, str]] = {}

    async def read(self) -> list[Rule]:
        """Return all rules except the default one; each page of 400 is a consistent snapshot.

        Tags that this object has read or written are not requested again.
        """
        for _ in range(READS):
            described = await self._described()
            self._tags |= await self._read_tags(
                [each.arn for each in described if each.arn not in self._tags]
            )
            if all(each.arn in self._tags for each in described):
                return [_rule(each, self._tags[each.arn]) for each in described]
            # A rule was deleted between the requests: these rules are no consistent snapshot.
        raise Fault(
            Code.PLATFORM_FAILED, "the listener's rules change faster than they can be read"
        )

    async def _described(self) -> list[DescribedRule]:
        found = await requests.describe_rules(self._aws, self.arn)
        return [rule for rule in found if not rule.is_default]

    async def _read_tags(self, arns: list[str]) -> dict[str, Mapping[str, str]]:
        """The tags of rules that still exist; tags of other applications may be from the cache."""
        remembered = ((arn, self._owners.get(arn)) for arn in arns)
        found = {
            arn: tags for arn, tags in remembered if tags is not None and self._is_foreign(tags)
        }
        requested = batches((arn for arn in arns if arn not in found), TAGS_DESCRIBED_AT_ONCE)
        for part in await gather_all(*(self._describe_tags(batch) for batch in requested)):
            for arn, tags in part.items():
                found[arn] = tags
                self._owners.put(arn, tags)
        return found

    async def _describe_tags(self, arns: list[str]) -> dict[str, dict[str, str]]:
        """The tags of rules that still exist: DescribeTags fails if a rule was deleted."""
        try:
            found = await requests.describe_tags(self._aws, arns)
        except Failure as failure:
            if failure.aws_code != RULE_NOT_FOUND:
                raise
        else:
            if not found.keys() >= set(arns):
                raise errors.unexpected(
                    "elasticloadbalancing:DescribeTags", "the tags of some rules are missing"
                )
            return found
        if len(arns) == 1:
            return {}
        half = len(arns) // 2
        parts = await gather_all(self._describe_tags(arns[:half]), self._describe_tags(arns[half:]))
        return parts[0] | parts[1]

    def _is_foreign(self, tags: Mapping[str, str]) -> bool:
        return not rules.is_owned(tags, self.application, self.cluster)

    async def create(self, priority: int, wanted: RuleSpec) -> str:
        """Make a rule and return its ARN."""
        conditions, actions = rules.conditions(wanted.conditions), rules.actions(wanted.target)
        try:
            arn = await requests.create_rule(
                self._aws, self.arn, priority, conditions, actions, wanted.tags
            )
        except Failure as failure:
            # After a lost answer, the rule at this priority may be the one that was made.
            made = failure.aws_code == PRIORITY_IN_USE and failure.after_loss
            found = await self.read() if made else []
            mine = [rule.arn for rule in found if rule.priority == priority]
            if not mine or self._tags[mine[0]] != wanted.tags:
                raise
            return mine[0]
        self._tags[arn] = wanted.tags
        return arn

    async def move(self, priorities: Mapping[str, int]) -> None:
        """Give rules, by their ARNs, other priorities: all at once or none."""
        await self._aws.ask(
            "elasticloadbalancing:SetRulePriorities",
            Nothing,
            RulePriorities=[
                {"RuleArn": arn, "Priority": priority} for arn, priority in priorities.items()
            ],
        )

    async def modify(self, arn: str, wanted: RuleSpec) -> None:
        """Replace the conditions and the target group of a rule."""
        await self._aws.ask(
            "elasticloadbalancing:ModifyRule",
            Nothing,
            RuleArn=arn,
            Conditions=rules.conditions(wanted.conditions),
            Actions=rules.actions(wanted.target),
        )

    async def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of a rule that was read or made before."""
        removed = self._tags.pop(arn).keys() - tags.keys()
        await self._aws.ask(
            "elasticloadbalancing:AddTags", Nothing, ResourceArns=[arn], Tags=pascal(tags)
        )
        if keys := sorted(removed):
            await self._aws.ask(
                "elasticloadbalancing:RemoveTags", Nothing, ResourceArns=[arn], TagKeys=keys
            )
        self._tags[arn] = tags

    async def delete(self, arn: str) -> None:
        """Delete a rule; an absent rule counts as deleted."""
        await requests.delete_rule(self._aws, arn)

    async def clear(self, rest: Iterable[Rule]) -> None:
        """Delete rules, the last first, so that no request falls through to a rule deleted next.

        A fault names the rules that are left.
        """
        left = sorted(rest, key=lambda rule: -rule.priority)
        while left:
            try:
                await self.delete(left[0].arn)
            except Fault as fault:
                named = ", ".join(f'the rule "{rule.arn}"' for rule in left)
                words = f"{fault.message}. Left behind, where a repeat finds them: {named}"
                raise Fault(fault.code, words, retry_after=fault.retry_after) from fault
            del left[0]


def _rule(described: DescribedRule, tags: Mapping[str, str]) -> Rule:
    try:
        return rules.rule(described, tags)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise errors.unexpected(
            "elasticloadbalancing:DescribeRules",
            f"the rule {described.arn} cannot be read ({type(error).__name__})",
        ) from error
