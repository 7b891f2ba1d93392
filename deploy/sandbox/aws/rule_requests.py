"""ELB requests about listener rules.

Unlike AWS, moto returns conditions and actions as sent, has no limits, refuses a swap of
priorities, and deletes absent rules without an error.
"""

from typing import Any

from deploy.sandbox.aws import rules
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.tag_rules import MAX_TAGS, tag_problem

_HIGHEST_PRIORITY = 50_000
_RULES_PER_BALANCER = 100
_GROUPS_PER_BALANCER = 100
_VALUES_PER_RULE = 5
_PAGE = 50


def invalid(message: str) -> Refusal:
    return Refusal("ValidationError", message)


def create_rule(account: Account, params: Json) -> Json:
    listener = _listener(account, params["ListenerArn"])
    priority = _checked_priority(params["Priority"])
    conditions = _checked_conditions(params.get("Conditions", []))
    check_tags(params.get("Tags"))
    rules.check_actions(params.get("Actions", []))
    # The default rule does not count towards limits.
    present = [rule for rule in rules.in_order(listener) if not rule.is_default]
    if any(rule.priority == priority for rule in present):
        raise Refusal("PriorityInUse", f"Priority '{priority}' is currently in use")
    if _rules_of(account, listener.load_balancer_arn) >= _RULES_PER_BALANCER:
        raise Refusal("TooManyRules", "The maximum number of rules has been reached")
    _check_groups(account, listener.load_balancer_arn, params.get("Actions", []))
    rule = account.balancing.create_rule(
        listener_arn=listener.arn,
        conditions=conditions,
        priority=priority,
        actions=params.get("Actions", []),
        tags=params.get("Tags"),
    )
    return {"Rules": [rules.described(rule)]}


def modify_rule(account: Account, params: Json) -> Json:
    rule, listener = rules.find(account, params["RuleArn"])
    if rule.is_default:
        raise Refusal("OperationNotPermitted", f"Default rule '{rule.arn}' cannot be modified")
    conditions = params.get("Conditions", [])
    rules.check_actions(params.get("Actions", []))
    if conditions:
        _checked_conditions(conditions)
    _check_groups(account, listener.load_balancer_arn, params.get("Actions", []))
    modified = account.balancing.modify_rule(rule.arn, conditions, params.get("Actions", []))
    return {"Rules": [rules.described(modified)]}


def delete_rule(account: Account, params: Json) -> Json:
    rule, listener = rules.find(account, params["RuleArn"])
    if rule.is_default:
        raise Refusal("OperationNotPermitted", f"Default rule '{rule.arn}' cannot be deleted")
    listener.remove_rule(rule.arn)
    account.balancing.tagging_service.delete_all_tags_for_resource(rule.arn)
    return {}


def describe_rules(account: Account, params: Json) -> Json:
    arns, listener_arn = params.get("RuleArns"), params.get("ListenerArn")
    if bool(arns) == bool(listener_arn):
        raise invalid("You must specify either listener rule ARNs or a listener ARN")
    if arns:
        found = [rules.find(account, arn)[0] for arn in arns]
        return {"Rules": [rules.described(rule) for rule in found]}
    keyed = {
        rules.sort_key(rule): rule for rule in rules.in_order(_listener(account, str(listener_arn)))
    }
    refusal = invalid("The specified marker is invalid")
    keys, following = page(keyed, params.get("PageSize", _PAGE), params.get("Marker"), refusal)
    given: Json = {"Rules": [rules.described(keyed[key]) for key in keys]}
    return given | ({"NextMarker": following} if following else {})


def set_rule_priorities(account: Account, params: Json) -> Json:
    """Set all priorities at once; rules can swap, because only the result is validated."""
    wanted = {each["RuleArn"]: each["Priority"] for each in params["RulePriorities"]}
    found = {arn: rules.find(account, arn) for arn in wanted}
    for arn, priority in wanted.items():
        rule, listener = found[arn]
        _checked_priority(priority)
        if rule.is_default:
            raise Refusal("OperationNotPermitted", f"Default rule '{arn}' cannot be reordered")
        _check_free(listener, wanted, arn, priority)
    for arn, (rule, _) in found.items():
        rule.priority = wanted[arn]
    return {"Rules": [rules.described(rule) for rule, _ in found.values()]}


def check_tags(tags: list[Json] | None) -> None:
    pairs = [(tag["Key"], tag.get("Value", "")) for tag in tags or []]
    if len(pairs) > MAX_TAGS:
        raise Refusal("TooManyTags", "The maximum number of tags has been reached")
    problem = tag_problem(pairs)
    if problem:
        raise invalid(problem)


def _check_free(listener: Any, wanted: dict[str, int], arn: str, priority: int) -> None:
    if list(wanted.values()).count(priority) > 1:
        raise invalid(f"Priority '{priority}' was provided multiple times")
    for other in listener.rules.values():
        if other.arn != arn and wanted.get(other.arn, other.priority) == priority:
            raise Refusal("PriorityInUse", f"Priority '{priority}' is currently in use")


def _check_groups(account: Account, balancer: str, actions: list[Json]) -> None:
    """Allow one load balancer per target group and 100 target groups per load balancer."""
    wanted = set().union(*(rules.groups_of_action(action) for action in actions))
    for group in wanted:
        if any(user != balancer for user in rules.load_balancers_of(account, group)):
            raise Refusal(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load "
                f"balancer: {group}",
            )
    if len(wanted | rules.groups_of_load_balancer(account, balancer)) > _GROUPS_PER_BALANCER:
        raise Refusal(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            "The maximum number of unique target groups for a load balancer has been reached",
        )


def _listener(account: Account, arn: str) -> Any:
    rules.check_arn(arn, "listener")
    for listener in rules.listeners(account):
        if listener.arn == arn:
            return listener
    raise Refusal("ListenerNotFound", "One or more listeners not found")


def _rules_of(account: Account, balancer: str) -> int:
    listeners = account.balancing.load_balancers[balancer].listeners.values()
    return sum(not rule.is_default for each in listeners for rule in each.rules.values())


def _checked_priority(priority: int) -> int:
    if not 1 <= priority <= _HIGHEST_PRIORITY:
        raise invalid(f"Rule priority must be between 1 and {_HIGHEST_PRIORITY}")
    return priority


def _checked_conditions(conditions: list[Json]) -> list[Json]:
    if not conditions:
        raise invalid("A condition must be specified")
    for each in conditions:
        rules.check_one_form(each)
    if sum(rules.values_in(each) for each in conditions) > _VALUES_PER_RULE:
        raise invalid(f"A rule can only have '{_VALUES_PER_RULE}' condition values")
    return conditions
