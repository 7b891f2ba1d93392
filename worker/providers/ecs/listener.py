"""Asks AWS about the rules of one listener, and changes them as it is told; decides nothing."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.ecs import bootstrap, editions, errors, rules, target_groups
from worker.providers.ecs.batches import batches
from worker.providers.ecs.client import Conversation
from worker.providers.ecs.editions import EDITION, Seen
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.objects import Nothing
from worker.providers.ecs.rules import DescribedRule, Rule, Wanted
from worker.ttl_cache import TtlCache

PRIORITY_IN_USE = "PriorityInUse"
RULE_NOT_FOUND = "RuleNotFound"
TOO_MANY_RULES = "TooManyRules"
READS = 5
AT_ONCE = target_groups.TAGS_DESCRIBED_AT_ONCE
REMEMBERED = 10_000
LIFETIME_S = 300
NOTHING_KNOWN: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Owners(TtlCache[str, Mapping[str, str]]):
    """The tags of rules by their ARNs, to tell whose a rule is: that is said when it is made.

    Who gives somebody's rule to an application by hand waits for as long as they are remembered.
    """

    def __init__(self) -> None:
        super().__init__(REMEMBERED, LIFETIME_S)


class Rules(Struct, frozen=True, rename="pascal"):
    """A page of DescribeRules, and the answer of CreateRule."""

    rules: list[DescribedRule]


class Listener:
    """The rules of a listener, as far as they concern one application."""

    def __init__(
        self, talk: Conversation, arn: str, application: str, cluster: str, owners: Owners
    ) -> None:
        """`cluster` is the name of the cluster that the application runs in."""
        self._owners = owners
        self._talk = talk
        self.arn = arn
        self._application = application
        self._cluster = cluster

    async def read(self, known: Mapping[str, Mapping[str, str]] = NOTHING_KNOWN) -> Seen:
        """All rules of the listener; the tags of those that are `known` by ARN are not asked for.

        One page has 400 of them, so it is one moment's picture of most listeners.
        """
        for _ in range(READS):
            described = await self._described()
            unknown = [each.rule_arn for each in described if each.rule_arn not in known]
            # What was learnt is kept, so that those who delete one rule after the other are caught
            # up with.
            known = {**known, **await self._tags(unknown)}
            if all(each.rule_arn in known for each in described):
                found = [_rule(each, known[each.rule_arn]) for each in described]
                return editions.see(found, self._application, self._cluster)
            # One was deleted since: what was read is no picture of any moment.
        raise Fault(
            Code.PLATFORM_FAILED, "the listener's rules come and go faster than they can be read"
        )

    async def _described(self) -> list[DescribedRule]:
        pages = self._talk.pages(
            "elasticloadbalancing:DescribeRules",
            Rules,
            ListenerArn=self.arn,
            PageSize=bootstrap.PAGE,
        )
        return [rule async for page in pages for rule in page.rules if not rule.is_default]

    async def _tags(self, arns: list[str]) -> dict[str, Mapping[str, str]]:
        """The tags of rules that are still there; of those of others as they were a while ago."""
        remembered = ((arn, self._owners.get(arn)) for arn in arns)
        found = {
            arn: tags for arn, tags in remembered if tags is not None and self._are_of_others(tags)
        }
        asked = batches((arn for arn in arns if arn not in found), AT_ONCE)
        for part in await gather_all(*(self._asked(batch) for batch in asked)):
            for arn, tags in part.items():
                found[arn] = tags
                self._owners.put(arn, tags)
        return found

    async def _asked(self, arns: list[str]) -> dict[str, dict[str, str]]:
        """The tags of rules without those that are gone: AWS tells none where one is."""
        try:
            found = await target_groups.tags_of(self._talk, arns)
        except Failure as failure:
            if failure.aws_code != RULE_NOT_FOUND:
                raise
        else:
            if not found.keys() >= set(arns):
                raise errors.nonsense("elasticloadbalancing:DescribeTags", "it leaves rules out")
            return found
        if len(arns) == 1:
            return {}
        half = len(arns) // 2
        parts = await gather_all(self._asked(arns[:half]), self._asked(arns[half:]))
        return parts[0] | parts[1]

    def _are_of_others(self, tags: Mapping[str, str]) -> bool:
        return not rules.is_owned(tags, self._application, self._cluster)

    async def create(self, priority: int, wanted: Wanted) -> str:
        """Make a rule and return its ARN."""
        try:
            answer = await self._talk.ask(
                "elasticloadbalancing:CreateRule",
                Rules,
                ListenerArn=self.arn,
                Priority=priority,
                Conditions=rules.conditions(wanted.conditions),
                Actions=rules.actions(wanted.target),
                Tags=rules.tag_list(wanted.tags),
            )
        except Failure as failure:
            # If an answer was lost, the rule at this priority can be the one that was made then.
            made = failure.aws_code == PRIORITY_IN_USE and failure.after_loss
            rule = await self._find(wanted.tags.get(EDITION, ""), priority) if made else None
            if rule is None:
                raise
            return rule.arn
        for made_rule in answer.rules:
            return made_rule.rule_arn
        raise errors.nonsense("elasticloadbalancing:CreateRule", "it names no rule")

    async def _find(self, edition: str, priority: int) -> Rule | None:
        seen = await self.read()
        every = (*seen.own, *seen.waiting)
        mine = (rule for rule in every if rule.tags.get(EDITION) == edition)
        return next((rule for rule in mine if rule.priority == priority), None)

    async def move(self, priorities: Mapping[str, int]) -> None:
        """Give rules, by their ARNs, other priorities: all of them at once or none."""
        await self._talk.ask(
            "elasticloadbalancing:SetRulePriorities",
            Nothing,
            RulePriorities=[
                {"RuleArn": arn, "Priority": priority} for arn, priority in priorities.items()
            ],
        )

    async def modify(self, arn: str, wanted: Wanted) -> None:
        """Replace what a rule matches and where it leads."""
        await self._talk.ask(
            "elasticloadbalancing:ModifyRule",
            Nothing,
            RuleArn=arn,
            Conditions=rules.conditions(wanted.conditions),
            Actions=rules.actions(wanted.target),
        )

    async def tag(self, arn: str, tags: Mapping[str, str], gone: Iterable[str]) -> None:
        """Set tags of a rule and remove those that are `gone`."""
        await self._talk.ask(
            "elasticloadbalancing:AddTags", Nothing, ResourceArns=[arn], Tags=rules.tag_list(tags)
        )
        if keys := sorted(gone):
            await self._talk.ask(
                "elasticloadbalancing:RemoveTags", Nothing, ResourceArns=[arn], TagKeys=keys
            )

    async def delete(self, arn: str) -> None:
        """Delete a rule; one that is absent already counts as deleted."""
        await bootstrap.delete_rule(self._talk, arn)

    async def clear(self, rest: Iterable[Rule]) -> None:
        """Delete rules, the last first: no request falls through to a rule that goes next.

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
        raise errors.nonsense(
            "elasticloadbalancing:DescribeRules",
            f"the rule {described.rule_arn} cannot be read ({type(error).__name__})",
        ) from error
