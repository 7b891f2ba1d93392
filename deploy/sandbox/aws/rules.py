"""Listener rules in moto's state: finding, validating and describing them."""

import re
from collections.abc import Iterator
from typing import Any

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal

RULE_NOT_FOUND = ("RuleNotFound", "One or more rules not found")
# The member of a condition with its values, by field.
_CONFIGS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "query-string": "QueryStringConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}
_WITH_VALUES = {"host-header", "path-pattern"}


def listeners(account: Account) -> Iterator[Any]:
    for balancer in account.balancing.load_balancers.values():
        yield from balancer.listeners.values()


def find(account: Account, arn: str) -> tuple[Any, Any]:
    """Return a rule and its listener."""
    check_arn(arn, "listener-rule")
    for listener in listeners(account):
        for rule in listener.rules.values():
            if rule.arn == arn:
                return rule, listener
    raise Refusal(*RULE_NOT_FOUND)


def check_arn(arn: str, kind: str) -> None:
    if not re.fullmatch(rf"arn:aws[a-z-]*:elasticloadbalancing:[^:]+:[0-9]+:{kind}/.+", arn):
        raise Refusal("ValidationError", f"'{arn}' is not a valid {kind.replace('-', ' ')} ARN")


def in_order(listener: Any) -> list[Any]:
    """Return the rules by priority, with the default rule last."""
    return sorted(listener.rules.values(), key=sort_key)


def sort_key(rule: Any) -> str:
    return "default" if rule.is_default else f"{int(rule.priority):05}"


def load_balancers_of(account: Account, target_group: str) -> list[str]:
    """Return the ARNs of the load balancers that have a rule which forwards to the group."""
    using = {
        listener.load_balancer_arn
        for listener in listeners(account)
        for rule in listener.rules.values()
        if target_group in groups_of_rule(rule)
    }
    return sorted(using)


def groups_of_rule(rule: Any) -> set[str]:
    groups: set[str] = set()
    for action in rule.actions:
        groups |= groups_of_action(action.data)
    return groups


def groups_of_load_balancer(account: Account, balancer: str) -> set[str]:
    """Return the target groups to which the rules of a load balancer forward."""
    found = account.balancing.load_balancers[balancer].listeners.values()
    every = [rule for listener in found for rule in listener.rules.values()]
    return set().union(*map(groups_of_rule, every))


def described(rule: Any) -> Json:
    return {
        "RuleArn": rule.arn,
        "Priority": "default" if rule.is_default else str(rule.priority),
        "Conditions": [condition_in_both_forms(each) for each in rule.conditions],
        "Actions": [action_in_both_forms(each.data) for each in rule.actions],
        "IsDefault": rule.is_default,
    }


def condition_in_both_forms(condition: Json) -> Json:
    """Return a condition in both forms, of which requests contain one and responses both."""
    field = condition["Field"]
    config = _CONFIGS.get(field, "")
    if field not in _WITH_VALUES:
        return condition
    values = condition.get(config, {}).get("Values") or condition.get("Values", [])
    return {"Field": field, "Values": values, config: {"Values": values}}


def check_one_form(condition: Json) -> None:
    """Refuse a condition that is sent in both forms."""
    field = condition.get("Field", "")
    config = _CONFIGS.get(field, "")
    if condition.get("Values") and condition.get(config):
        raise Refusal(
            "ValidationError",
            f"You cannot provide both Values and '{config}' for a condition of type '{field}'",
        )


def check_actions(actions: list[Json]) -> None:
    """Refuse an action in both forms unless both name the same single group."""
    for action in actions:
        listed = action.get("ForwardConfig", {}).get("TargetGroups", [])
        both = listed and "TargetGroupArn" in action
        if both and [each["TargetGroupArn"] for each in listed] != [action["TargetGroupArn"]]:
            raise Refusal(
                "ValidationError",
                "You can specify only one target group using ForwardConfig and it must be the "
                "same target group specified in TargetGroupArn",
            )


def values_in(condition: Json) -> int:
    config = condition.get(_CONFIGS.get(condition.get("Field", ""), ""), {})
    return len(config.get("Values") or condition.get("Values", []))


def action_in_both_forms(action: Json) -> Json:
    """Return a forward action in both forms; the ARN of a single group is in both."""
    if action.get("Type") != "forward":
        return action
    groups = action.get("ForwardConfig", {}).get("TargetGroups")
    groups = groups or [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
    stickiness = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig")
    config = {
        "TargetGroups": groups,
        "TargetGroupStickinessConfig": stickiness or {"Enabled": False},
    }
    whole = {**action, "ForwardConfig": config}
    if len(groups) == 1:
        whole["TargetGroupArn"] = groups[0]["TargetGroupArn"]
    return whole


def groups_of_action(action: Json) -> set[str]:
    listed = action.get("ForwardConfig", {}).get("TargetGroups", [])
    groups = {each["TargetGroupArn"] for each in listed}
    if "TargetGroupArn" in action:
        groups.add(action["TargetGroupArn"])
    return groups
