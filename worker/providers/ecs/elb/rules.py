"""Rules of a listener as data: conditions, target group and owner; pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from contracts.resources import Object
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.elb.requests import DescribedRule

HOST = "host-header"
QUERY = "query-string"
HEADER = "http-header"
OTHER = "other"

SERVICE = "plt.dev/service"
PURPOSE = "plt.dev/purpose"
PLACEHOLDER = "bootstrap"


class Condition(Struct, frozen=True):
    """A condition of a rule; `name` is the name of a header or query parameter, or empty."""

    field: str
    value: str
    name: str = ""


class RuleSpec(Struct, frozen=True):
    """A rule to be made; `target` is the ARN of its one target group, or empty."""

    conditions: tuple[Condition, ...]
    target: str
    tags: Mapping[str, str]

    @property
    def is_placeholder(self) -> bool:
        """True if the rule matches no request."""
        return self.tags.get(PURPOSE) == PLACEHOLDER


class Rule(RuleSpec, frozen=True, kw_only=True):
    """A rule of a listener."""

    arn: str
    priority: int


def is_default(conditions: tuple[Condition, ...]) -> bool:
    """Return whether conditions match every request to a host."""
    return all(each.field == HOST for each in conditions)


def marks(application: str, cluster: str) -> dict[str, str]:
    """Return the tags of the rules of an application of a cluster."""
    return ownership.marks(cluster) | {ownership.APPLICATION: application}


def is_owned(tags: Mapping[str, str], application: str, cluster: str) -> bool:
    """Return whether a rule with these tags belongs to an application."""
    is_of_it = tags.get(ownership.APPLICATION) == application
    return is_of_it and ownership.is_ours(tags, cluster)


def rule(described: DescribedRule, tags: Mapping[str, str]) -> Rule:
    """Return a described rule, other than the default one, as a Rule."""
    conditions = tuple(_condition(each) for each in described.conditions)
    target = _target(described.actions)
    arn, priority = described.arn, int(described.priority)
    return Rule(conditions, target, tags, arn=arn, priority=priority)


def conditions(wanted: tuple[Condition, ...]) -> list[Object]:
    """Return conditions as AWS takes them."""
    return [_described(each) for each in wanted]


def actions(target: str) -> list[Object]:
    """Return the one action of a rule as AWS takes it."""
    return [{"Type": "forward", "TargetGroupArn": target}]


def targets(described: DescribedRule) -> set[str]:
    """Return the ARNs of all target groups that a rule forwards to."""
    return {arn for action in described.actions for arn in _groups(action)} - {""}


def _described(condition: Condition) -> Object:
    match condition.field:
        case "host-header":
            config: Object = {"HostHeaderConfig": {"Values": [condition.value]}}
        case "query-string":
            pair = {"Key": condition.name, "Value": condition.value}
            config = {"QueryStringConfig": {"Values": [pair]}}
        case "http-header":
            header = {"HttpHeaderName": condition.name, "Values": [condition.value]}
            config = {"HttpHeaderConfig": header}
        case _:
            return dict(msgspec.json.decode(condition.value, type=Object))
    return {"Field": condition.field, **config}


def _condition(raw: Mapping[str, Any]) -> Condition:
    field = raw["Field"]
    header = raw.get("HttpHeaderConfig", {})
    match field:
        case "host-header":
            values = raw.get("HostHeaderConfig", {}).get("Values") or raw.get("Values", [])
            found = [Condition(HOST, value.lower()) for value in values]
        case "query-string":
            pairs = raw.get("QueryStringConfig", {}).get("Values", [])
            found = [Condition(QUERY, each["Value"], each.get("Key", "")) for each in pairs]
        case "http-header":
            name = header.get("HttpHeaderName", "").lower()
            found = [Condition(HEADER, value, name) for value in header.get("Values", [])]
        case _:
            found = []
    if len(found) == 1:
        return found[0]
    # Not a condition of ours: preserved, so that it can be restored.
    return Condition(OTHER, msgspec.json.encode(raw, order="sorted").decode())


def _target(actions: list[Object]) -> str:
    """The one target group that all traffic goes to, otherwise empty."""
    if [each.get("Type") for each in actions] != ["forward"]:
        return ""
    [target, *others] = _groups(actions[0])
    return "" if others else str(target)


def _groups(action: Object) -> list[str]:
    """The target groups of an action: AWS uses either field or both, and for one group both."""
    listed = action.get("ForwardConfig", {}).get("TargetGroups", [])
    return [each["TargetGroupArn"] for each in listed] or [action.get("TargetGroupArn", "")]
