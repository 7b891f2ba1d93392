"""Asks AWS about the rules of one listener, and changes them as it is told; decides nothing."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.providers.ecs import bootstrap, editions, errors, rules, target_groups
from worker.providers.ecs.batches import batches
from worker.providers.ecs.client import Conversation
from worker.providers.ecs.editions import EDITION, Seen
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.objects import Nothing
from worker.providers.ecs.rules import DescribedRule, Rule, Wanted
from worker.together import together

PRIORITY_IN_USE = "PriorityInUse"
RULE_NOT_FOUND = "RuleNotFound"
TOO_MANY_RULES = "TooManyRules"
READS = 5
NOTHING_KNOWN: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Rules(Struct, frozen=True, rename="pascal"):
    """A page of DescribeRules, and the answer of CreateRule."""

    rules: list[DescribedRule]


class Listener:
    """The rules of a listener, as far as they concern one application."""

    def __init__(self, talk: Conversation, arn: str, application: str, cluster: str) -> None:
        """`cluster` is the name of the cluster that the application runs in."""
        self._talk = talk
        self._arn = arn
        self._application = application
        self._cluster = cluster

    async def read(self, known: Mapping[str, Mapping[str, str]] = NOTHING_KNOWN) -> Seen:
        """All rules of the listener; the tags of those that are `known` by ARN are not asked for.

        One page has 400 of them, so it is one moment's picture of most listeners.
        """
        for _ in range(READS):
            described = await self._described()
            try:
                tags = await self._tags(described, known)
            except Failure as failure:
                # One was deleted since: what was read is no picture of any moment.
                if failure.aws_code != RULE_NOT_FOUND:
                    raise
                continue
            tags = {**known, **tags}
            found = [rules.rule(each, tags.get(each.rule_arn, {})) for each in described]
            return editions.see(found, self._application, self._cluster)
        raise Fault(
            Code.PLATFORM_FAILED, "the listener's rules come and go faster than they can be read"
        )

    async def _described(self) -> list[DescribedRule]:
        pages = self._talk.pages(
            "elasticloadbalancing:DescribeRules",
            Rules,
            ListenerArn=self._arn,
            PageSize=bootstrap.PAGE,
        )
        return [rule async for page in pages for rule in page.rules if not rule.is_default]

    async def _tags(
        self, described: list[DescribedRule], known: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Mapping[str, str]]:
        unknown = [each.rule_arn for each in described if each.rule_arn not in known]
        asked = batches(unknown, target_groups.TAGS_DESCRIBED_AT_ONCE)
        found = await together(*(target_groups.tags_of(self._talk, batch) for batch in asked))
        return {arn: tags for each in found for arn, tags in each.items()}

    async def create(self, priority: int, wanted: Wanted) -> str:
        """Make a rule and return its ARN."""
        try:
            answer = await self._talk.ask(
                "elasticloadbalancing:CreateRule",
                Rules,
                ListenerArn=self._arn,
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
