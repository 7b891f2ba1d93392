"""Rules of a load balancer's listener as data: what they match, where they lead, whose they are."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from contracts.resources import Object
from worker.providers.ecs import bootstrap, ownership

HOST = "host-header"
QUERY = "query-string"
HEADER = "http-header"
OTHER = "other"

SERVICE = "plt.dev/service"
PURPOSE: str = bootstrap.PURPOSE["Key"]
BOOTSTRAP: str = bootstrap.PURPOSE["Value"]


class Condition(Struct, frozen=True):
    """What a request has to have: a `value`, of the header or parameter `name` if it has one."""

    field: str
    value: str
    name: str = ""


class Wanted(Struct, frozen=True):
    """A rule to be made; `target` is the ARN of its one target group, or empty."""

    conditions: tuple[Condition, ...]
    target: str
    tags: Mapping[str, str]

    @property
    def waits(self) -> bool:
        """Whether it matches nothing, and only ties a target group to the load balancer."""
        return self.tags.get(PURPOSE) == BOOTSTRAP


class Rule(Wanted, frozen=True, kw_only=True):
    """A rule as the listener has it."""

    arn: str
    priority: int


class DescribedRule(Struct, frozen=True, rename="pascal"):
    """A rule in AWS's words."""

    rule_arn: str
    priority: str
    conditions: list[Object] = []  # msgspec copies it for each struct
    actions: list[Object] = []
    is_default: bool = False


def is_default(conditions: tuple[Condition, ...]) -> bool:
    """Whether they match every request to a host."""
    return all(each.field == HOST for each in conditions)


def marks(application: str, cluster: str) -> dict[str, str]:
    """The tags of all rules of an application: one of that name in another cluster has its own."""
    return ownership.marks(cluster) | {ownership.APPLICATION: application}


def is_owned(tags: Mapping[str, str], application: str, cluster: str) -> bool:
    """Whether tags are those of an application's rules."""
    is_of_it = tags.get(ownership.APPLICATION) == application
    return is_of_it and ownership.is_ours(tags, cluster)


def waiting(service: str, target: str, hostname: str | None, tags: Mapping[str, str]) -> Wanted:
    """The rule that ties a target group to the load balancer while it gets no traffic.

    Nobody checks the health of targets in a group that no rule forwards to.
    """
    secret = sha256(f"{service}:{target}".encode()).hexdigest()[: bootstrap.SECRET_DIGITS]
    host = (Condition(HOST, hostname),) if hostname else ()
    conditions = (*host, Condition(HEADER, secret, bootstrap.HEADER))
    return Wanted(conditions, target, {**tags, PURPOSE: BOOTSTRAP})


def rule(described: DescribedRule, tags: Mapping[str, str]) -> Rule:
    """A rule of AWS that is not the listener's default one."""
    conditions = tuple(_condition(each) for each in described.conditions)
    target = _target(described.actions)
    arn, priority = described.rule_arn, int(described.priority)
    return Rule(conditions, target, tags, arn=arn, priority=priority)


def conditions(wanted: tuple[Condition, ...]) -> list[Object]:
    """Conditions as AWS takes them."""
    return [_described(each) for each in wanted]


def actions(target: str) -> list[Object]:
    """The one action of a rule as AWS takes it."""
    return [{"Type": "forward", "TargetGroupArn": target}]


def tag_list(tags: Mapping[str, str]) -> list[Object]:
    """Tags as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


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


def _condition(said: Mapping[str, Any]) -> Condition:
    field = said["Field"]
    header = said.get("HttpHeaderConfig", {})
    match field:
        case "host-header":
            values = said.get("HostHeaderConfig", {}).get("Values") or said.get("Values", [])
            found = [Condition(HOST, value.lower()) for value in values]
        case "query-string":
            pairs = said.get("QueryStringConfig", {}).get("Values", [])
            found = [Condition(QUERY, each["Value"], each.get("Key", "")) for each in pairs]
        case "http-header":
            name = header.get("HttpHeaderName", "").lower()
            found = [Condition(HEADER, value, name) for value in header.get("Values", [])]
        case _:
            found = []
    if len(found) == 1:
        return found[0]
    # Nothing that we make: kept as it is, to be put back as it was.
    return Condition(OTHER, msgspec.json.encode(said, order="sorted").decode())


def _target(actions: list[Object]) -> str:
    """The one target group that all traffic goes to; AWS says it here, there or in both places."""
    if [each.get("Type") for each in actions] != ["forward"]:
        return ""
    [action] = actions
    groups = [
        each["TargetGroupArn"] for each in action.get("ForwardConfig", {}).get("TargetGroups", [])
    ]
    [target, *others] = groups or [action.get("TargetGroupArn", "")]
    return "" if others else str(target)
