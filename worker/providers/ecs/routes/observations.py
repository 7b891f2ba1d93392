"""The rules that a command found and left, for its outcome; pure."""

from collections.abc import Iterable, Sequence

from contracts.records.route_state import pair, plain
from contracts.resources import Object
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.elb.rules import HOST, SERVICE, Condition, RuleSpec
from worker.providers.ecs.routes.http_route import KINDS
from worker.providers.ecs.routes.route_plan import unescaped


def routes(found: Iterable[RuleSpec]) -> Object:
    """Return the rules of an application that match requests, in their order."""
    rules = [rule for rule in found if not rule.is_placeholder]
    hosts = (each.value for rule in rules for each in rule.conditions if each.field == HOST)
    versions = (rule.tags.get(ownership.VERSION, "") for rule in rules)
    return {
        "hostnames": _distinct(hosts),
        "rules": [plain(f"{_match(rule.conditions)}: {_backend(rule)}") for rule in rules],
        "backends": _distinct(_backend(rule) for rule in rules),
        "versions": _distinct(versions),
    }


def _match(conditions: Sequence[Condition]) -> str:
    """`header x-version=v6`."""
    return " and ".join(_text(each) for each in conditions if each.field != HOST) or "default"


def _text(condition: Condition) -> str:
    kind = KINDS.get(condition.field)
    if kind is None:
        return "another condition"
    return f"{kind} {pair(condition.name, unescaped(condition.value))}"


def _backend(rule: RuleSpec) -> str:
    """The service as named in the plan, otherwise the name of the target group."""
    _, _, group = rule.target.partition(":targetgroup/")
    return rule.tags.get(SERVICE) or group.partition("/")[0]


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(map(plain, texts)) if text]
