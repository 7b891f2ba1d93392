"""Rules as an HTTPRoute, and a listener as a gateway; pure."""

from contracts.neutral.route_plan import APPLICATION, EMITTED_AT, GENERATION, MANAGED_BY, MANAGER
from contracts.resources import Object
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.elb.requests import DescribedListener
from worker.providers.ecs.elb.rules import HEADER, HOST, QUERY, SERVICE, Condition, Rule, is_default
from worker.providers.ecs.routes import rule_sets
from worker.providers.ecs.routes.route_plan import unescaped

GROUP = "gateway.networking.k8s.io"
CONTROLLER = "platformatic.dev/machinist"
KINDS = {HEADER: "header", QUERY: "queryParam"}
PARTS = {HEADER: "headers", QUERY: "queryParams"}


def gateway_name(listener: str) -> str:
    """Return the load balancer's name in a listener's ARN; any other text is returned unchanged."""
    parts = listener.split("/")
    return parts[2] if len(parts) > 2 else listener


def gateway(listener: DescribedListener, cluster: str) -> Object:
    """Return a listener as the gateway of a cluster's routes."""
    return {
        "metadata": {"name": gateway_name(listener.arn), "namespace": cluster},
        "providerMetadata": {
            "listenerArn": listener.arn,
            "loadBalancerArn": listener.load_balancer_arn,
            "port": listener.port,
            "protocol": listener.protocol,
        },
    }


def route(application: str, cluster: str, listener: str, found: tuple[Rule, ...]) -> Object:
    """Return the plan in force as an HTTPRoute that also has the fields of a plan.

    In `spec` the default rule comes first: clients treat the first rule without a header match as
    the default rule, and gateways ignore the order if one rule is more specific than the other.
    """
    parent = {
        "group": GROUP,
        "kind": "Gateway",
        "name": gateway_name(listener),
        "namespace": cluster,
    }
    accepted = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "the rules are in force on the listener",
    }
    hosts = [each.value for rule in found for each in rule.conditions if each.field == HOST]
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": application,
            "namespace": cluster,
            "labels": {MANAGED_BY: MANAGER, APPLICATION: application},
            "annotations": _annotations(found),
        },
        "spec": {
            "parentRefs": [parent],
            "hostnames": list(dict.fromkeys(hosts)),
            "rules": [
                {"matches": [_match(rule)], "backendRefs": _backends(rule)}
                for rule in sorted(found, key=lambda rule: not is_default(rule.conditions))
            ],
        },
        "status": {
            "parents": [
                {"parentRef": parent, "controllerName": CONTROLLER, "conditions": [accepted]}
            ]
        },
        "appName": application,
        "rules": [_planned(rule) for rule in found],
    }


def _annotations(found: tuple[Rule, ...]) -> dict[str, str]:
    known = {GENERATION: rule_sets.GENERATION, EMITTED_AT: rule_sets.EMITTED_AT}
    return {key: rule.tags[tag] for rule in found for key, tag in known.items() if tag in rule.tags}


def _pins(rule: Rule) -> list[Condition]:
    return [each for each in rule.conditions if each.field in KINDS]


def _match(rule: Rule) -> Object:
    match: Object = {"path": {"type": "PathPrefix", "value": "/"}}
    for each in _pins(rule):
        exact = {"type": "Exact", "name": each.name, "value": unescaped(each.value)}
        match.setdefault(PARTS[each.field], []).append(exact)
    return match


def _backends(rule: Rule) -> list[Object]:
    """The service as named in the plan; rules of other writers do not name it."""
    named = rule.tags.get(SERVICE)
    return [{"name": named}] if named else []


def _planned(rule: Rule) -> Object:
    match: Object = {"kind": "default"}
    for each in _pins(rule):
        match = {
            "kind": KINDS[each.field],
            "name": each.name,
            "value": unescaped(each.value),
        }
    planned: Object = {"versionId": rule.tags.get(ownership.VERSION, ""), "match": match}
    if named := rule.tags.get(SERVICE):
        planned["backend"] = {"serviceName": named}
    return planned
