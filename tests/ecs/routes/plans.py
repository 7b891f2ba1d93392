"""Builders of route plans and of states of a listener."""

from collections.abc import Iterable, Mapping
from typing import Any

from worker.providers.ecs.elb.rules import HOST, Condition, Rule, RuleSpec
from worker.providers.ecs.routes import route_plan, rule_sets
from worker.providers.ecs.routes.route_plan import Plan
from worker.providers.ecs.routes.rule_sets import Draft, ListenerState

CLUSTER = "shop"
APPLICATION = "orders"
HOSTNAME = "orders.example.org"


def query(version: str, **more: Any) -> dict[str, Any]:
    """The rule of a version that a query parameter selects."""
    return _rule({"kind": "queryParam", "name": "dpl", "value": version}, version) | more


def header(version: str, **more: Any) -> dict[str, Any]:
    """The rule of a version that a header selects."""
    return _rule({"kind": "header", "name": "x-deployment-id", "value": version}, version) | more


def default(version: str, **more: Any) -> dict[str, Any]:
    """The default rule, with its version."""
    return _rule({"kind": "default"}, version) | more


def _rule(match: dict[str, Any], version: str) -> dict[str, Any]:
    return {
        "match": match,
        "backend": {"serviceName": f"{APPLICATION}-{version}"},
        "versionId": version,
    }


def plan(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan of these rules, by default with a pinned v6 and a default v7."""
    return {
        "appName": APPLICATION,
        "hostname": HOSTNAME,
        "generation": 12,
        "rules": list(rules) or [query("v6"), header("v6"), default("v7")],
    } | more


def read(*rules: dict[str, Any], **more: Any) -> Plan:
    """The same plan as read by the provider."""
    return route_plan.read(plan(*rules, **more), CLUSTER)


def target(service: str) -> str:
    """The ARN of a service's target group."""
    return f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{service}/1"


def draft(
    given: Plan,
    name: str = "a",
    absent: Iterable[str] = (),
    before: ListenerState | None = None,
) -> Draft:
    """The rule set of a plan; all services can serve except those in `absent`."""
    services = {pin.service for pin in given.pins}
    targets = {service: target(service) for service in services.difference(absent)}
    missing = {service: target(service) for service in absent}
    return rule_sets.draft(given, targets, missing, before or listener_state(), CLUSTER, name)


def rule_set(given: Plan, name: str = "a") -> list[RuleSpec]:
    """The rules of the rule set of a plan."""
    return list(draft(given, name).rules)


def rule(priority: int, wanted: RuleSpec, arn: str | None = None) -> Rule:
    """An existing rule."""
    return Rule(
        wanted.conditions,
        wanted.target,
        wanted.tags,
        arn=arn or f"rule/{priority}",
        priority=priority,
    )


def foreign_rule(priority: int, host: str = "other.example.org") -> Rule:
    """A rule of another owner."""
    return rule(priority, RuleSpec((Condition(HOST, host),), target("other"), {}))


def placed(wanted: Iterable[RuleSpec], first: int) -> list[Rule]:
    """The rules of a rule set at consecutive priorities."""
    return [rule(priority, each) for priority, each in enumerate(wanted, first)]


def listener_state(*rules: Rule) -> ListenerState:
    """The state of a listener with these rules."""
    return rule_sets.state(rules, APPLICATION, CLUSTER)


def answer(state: Mapping[int, RuleSpec], host: str, **asked: str) -> str | None:
    """Return the target of a request for a host with these pins, or None."""
    for _, each in sorted(state.items()):
        if all(_fits(condition, host, asked) for condition in each.conditions):
            return each.target
    return None


def _fits(condition: Condition, host: str, asked: Mapping[str, str]) -> bool:
    if condition.field == HOST:
        return condition.value == host
    return asked.get(condition.name.replace("-", "_"), "").lower() == condition.value.lower()
