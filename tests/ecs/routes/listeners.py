"""A listener of the stand-in: its set-up as by operators and workloads, and its rules."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from contracts import api
from contracts.resources import Object
from deploy.sandbox.aws import rules as kept
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.population import Population
from deploy.sandbox.aws.rule_requests import delete_rule
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.opened import open_provider
from tests.ecs.routes import plans
from worker.providers.ecs.aws import tags
from worker.providers.ecs.elb import placeholder_rule, rules
from worker.providers.ecs.elb.requests import DescribedRule
from worker.providers.ecs.elb.rules import Rule, RuleSpec
from worker.providers.ecs.provider import EcsProvider

Listed = dict[int, RuleSpec]
"""Rules by priority."""


def add_version(
    aws: Population, version: str, *, application: str = plans.APPLICATION, far: bool = False
) -> str:
    """Create a service of a version with a target group and a placeholder rule; return the ARN.

    `far` puts the rule at a high priority, as workloads do, far from the rules of plans.
    """
    service = f"{application}-{version}"
    group = aws.add_target_group(service)
    marks = rules.marks(application, plans.CLUSTER) | {"plt.dev/version": version}
    placeholder = placeholder_rule.spec(service, group, marks)
    priority = min(present(aws), default=49_001) - 1 if far else max(present(aws), default=1) + 1
    listener = aws.listener_arn or aws.add_listener()
    aws.account.balancing.create_rule(
        listener,
        rules.conditions(placeholder.conditions),
        priority,
        rules.actions(group),
        tags.pascal(placeholder.tags),
    )
    aws.add_service(service, plans.CLUSTER, target_group_arn=group)
    return group


def present(aws: Population) -> dict[int, Rule]:
    """Return all rules of the listeners except the default ones, by priority."""
    return present_in(aws.account)


def present_in(account: Account) -> dict[int, Rule]:
    """Return the same for an account."""
    with account.lock:
        return {rule.priority: rule for rule in _rules(account)}


def _rules(account: Account) -> Iterator[Rule]:
    tagging = account.balancing.tagging_service
    for listener in kept.listeners(account):
        for each in kept.in_order(listener):
            if not each.is_default:
                described = msgspec.convert(kept.described(each), DescribedRule)
                yield rules.rule(described, tagging.get_tag_dict_for_resource(each.arn))


def clear(account: Account) -> None:
    """Delete all rules except the default ones."""
    for rule in present_in(account).values():
        delete_rule(account, {"RuleArn": rule.arn})


def routes(aws: Population) -> dict[int, str]:
    """Return the rules of the application in short by priority, without placeholder rules."""
    return {priority: brief(rule) for priority, rule in present(aws).items() if is_route(rule)}


def leading_to(aws: Population, group: str) -> list[Rule]:
    """Return the rules that forward to a target group."""
    return [rule for rule in present(aws).values() if rule.target == group]


def is_route(rule: Rule) -> bool:
    return rule.tags.get("plt.dev/application") == plans.APPLICATION and not rule.is_placeholder


def brief(rule: RuleSpec) -> str:
    """Return a rule in short, such as `dpl=v6 → orders-v6`."""
    pins = [f"{each.name}={each.value}" for each in rule.conditions if each.name]
    group = rule.target.split("/")[-2]
    return f"{pins[0] if pins else '*'} → {group}"


@asynccontextmanager
async def worker(aws: AwsSandbox, **settings: str) -> AsyncIterator[EcsProvider]:
    """A provider of a separate worker, with short delays."""
    quick = {"PLT_ECS_PRIORITY_RETRY_BASE_MS": "5", "PLT_ECS_RETRY_BASE_MS": "5"}
    async with open_provider({**aws.environment, **quick, **settings}) as opened:
        yield opened


async def apply(provider: EcsProvider, *rules_: Object, **more: Any) -> Object:
    """Apply a plan of these rules with enough time."""
    operation = api.ApplyRoutePlan(plans.CLUSTER, plans.plan(*rules_, **more))
    return await provider.apply_route_plan(operation, ample())


async def read(provider: EcsProvider, name: str = plans.APPLICATION) -> Object:
    """Return the route of an application."""
    return await provider.get_http_route(api.GetHttpRoute(plans.CLUSTER, name), ample())


async def delete(provider: EcsProvider, name: str = plans.APPLICATION) -> Object:
    """Delete the route of an application."""
    operation = api.DeleteHttpRoute(plans.CLUSTER, name)
    return await provider.delete_http_route(operation, ample())
