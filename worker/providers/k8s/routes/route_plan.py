"""Translate the neutral route plan to an HTTPRoute; pure."""

import re
from typing import Any

import msgspec

from contracts.faults import Code, Fault
from contracts.neutral import route_plan as neutral
from contracts.neutral.route_plan import (
    APPLICATION,
    EMITTED_AT,
    GENERATION,
    MANAGED_BY,
    MANAGER,
    Match,
    RoutePlan,
    Rule,
)
from contracts.neutral.workload import label_values
from contracts.resources import Object
from worker.providers.k8s import names
from worker.providers.k8s.kinds import GATEWAYS, HTTP_ROUTES

ORDERING = (GENERATION, EMITTED_AT)

MAX_RULES = 16
"""The Gateway API's limit per HTTPRoute; several routes could not change in one write."""

COOKIE = "__plt_dpl"
COOKIE_LIFETIME_S = 12 * 60 * 60
PREFIX = "/"
SPECIAL = re.compile(r"[.*+?^${}()|\[\]\\]")


def read(specification: Object) -> RoutePlan:
    """Decode a plan, and refuse one that an HTTPRoute cannot express.

    A Gateway prefers the rule with more header matches, and follows the plan's order among equals.
    """
    plan = neutral.read(specification)
    names.object_name(plan.app_name, "plan.appName")
    if len(plan.rules) > MAX_RULES:
        raise Fault(
            Code.INVALID,
            f"plan.rules: expected at most {MAX_RULES}, as many as an HTTPRoute can have, got "
            f"{len(plan.rules)}",
        )
    for number, rule in enumerate(plan.rules):
        where = f"plan.rules[{number}].backend.serviceName"
        names.dns_label(rule.backend.service_name, where)
    return plan


def backends(plan: RoutePlan) -> dict[str, str]:
    """Return the backend Services of a plan, each with the path of its first use."""
    places = {
        rule.backend.service_name: f"plan.rules[{number}].backend.serviceName"
        for number, rule in reversed(list(enumerate(plan.rules)))
    }
    return dict(reversed(places.items()))


def route(
    plan: RoutePlan, namespace: str, gateway: tuple[str, str], ports: dict[str, int]
) -> Object:
    """Return the HTTPRoute of a plan; `gateway` is a namespace and name, `ports` of backends."""
    cookie = _cookie_name(plan)
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": GATEWAYS.name,
        "name": gateway[1],
        "namespace": gateway[0],
    }
    spec: Object = {
        "parentRefs": [parent],
        "rules": [_rule(rule, cookie, ports) for rule in plan.rules],
    }
    if plan.hostname:
        spec["hostnames"] = [plan.hostname]
    return {
        "apiVersion": HTTP_ROUTES.api_version,
        "kind": HTTP_ROUTES.name,
        "metadata": {
            "name": plan.app_name,
            "namespace": namespace,
            "labels": label_values({MANAGED_BY: MANAGER, APPLICATION: plan.app_name}),
            "annotations": {key: neutral.text(value) for key, value in _ordering(plan).items()},
        },
        "spec": spec,
    }


def _cookie_name(plan: RoutePlan) -> str:
    pinned = (rule.match.name for rule in plan.rules if rule.match.kind == "cookie")
    return next((name for name in pinned if name), COOKIE)


def _rule(rule: Rule, cookie: str, ports: dict[str, int]) -> Object:
    service = rule.backend.service_name
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    filters: list[Object] = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    if rule.match.kind == "default" and rule.issue_cookie:
        value = (
            f"{cookie}={rule.version_id}; Path={PREFIX}; HttpOnly; Secure; SameSite=Lax; "
            f"Max-Age={COOKIE_LIFETIME_S}"
        )
        header = {"name": "Set-Cookie", "value": value}
        filters.append(
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [header]}}
        )
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": PREFIX}} | _match(rule.match)],
        "filters": filters,
        "backendRefs": [{"name": service, "port": ports[service]}],
    }


def _match(match: Match) -> Object:
    exact = {"type": "Exact", "name": match.name, "value": match.value}
    match match.kind:
        case "header":
            return {"headers": [exact]}
        case "queryParam":
            return {"queryParams": [exact]}
        case "cookie":
            # The Gateway API has no cookie match, so a regular expression matches the header.
            pattern = rf"(.*;\s*)?{_literal(match.name)}={_literal(match.value)}(\s*;.*)?"
            return {"headers": [{"type": "RegularExpression", "name": "Cookie", "value": pattern}]}
        case "default":
            return {}


def _literal(text: str | None) -> str:
    return SPECIAL.sub(r"\\\g<0>", text or "")


def _ordering(plan: RoutePlan) -> dict[str, float]:
    known = {GENERATION: plan.generation, EMITTED_AT: plan.emitted_at}
    return {key: value for key, value in known.items() if value is not None}


def refuse_older(live: Object, plan: RoutePlan) -> None:
    """Raise if a route is not managed by a plan, or has a newer one; an equal plan is accepted."""
    metadata = live["metadata"]
    if (metadata.get("labels") or {}).get(MANAGED_BY) != MANAGER:
        raise Fault(
            Code.CONFLICT,
            f'the HTTPRoute "{plan.app_name}" exists and has no label {MANAGED_BY}={MANAGER}, so '
            "a route plan does not change it: delete it or use another appName",
        )
    annotations = metadata.get("annotations") or {}
    applied = neutral.freshness(*(_applied(annotations, key) for key in ORDERING))
    given = neutral.freshness(plan.generation, plan.emitted_at)
    if given < applied:
        raise neutral.stale(plan.app_name, given, applied)


def _applied(annotations: dict[str, str], key: str) -> float | int | None:
    try:
        return msgspec.json.decode(annotations.get(key, ""), type=float | int)
    except msgspec.DecodeError:
        return None


def counts(former: Object | None, found: Object) -> tuple[int, int]:
    """Return the numbers of created and deleted rules, 0 if the same plan was in force."""
    created, deleted = len(_rules(found)), len(_rules(former) if former else ())
    is_same = former is not None and _plan_in(former) == _plan_in(found)
    return (0, 0) if is_same else (created, deleted)


def _rules(route: Object) -> list[Object]:
    return route["spec"].get("rules") or []


def _plan_in(route: Object) -> tuple[Object, dict[str, str | None]]:
    annotations = route["metadata"].get("annotations") or {}
    return route["spec"], {key: annotations.get(key) for key in ORDERING}


def guard(live: Object) -> list[Object]:
    """Return JSON Patch tests that fail if the route's plan changed since it was read."""
    annotations = live["metadata"].get("annotations") or {}
    seen = {
        _pointer("annotations", key): annotations[key] for key in ORDERING if key in annotations
    }
    version = {"/metadata/resourceVersion": live["metadata"]["resourceVersion"]}
    return [
        {"op": "test", "path": path, "value": value} for path, value in (seen or version).items()
    ]


def change(live: Object, wanted: Object) -> list[Object]:
    """Return the JSON Patch that replaces only the plan of a route."""
    operations: list[Object] = [
        {"op": "add", "path": f"/spec/{key}", "value": value}
        for key, value in wanted["spec"].items()
    ]
    if "hostnames" in live["spec"] and "hostnames" not in wanted["spec"]:
        operations.append({"op": "remove", "path": "/spec/hostnames"})
    for part in ("labels", "annotations"):
        values: dict[str, Any] = wanted["metadata"][part]
        if live["metadata"].get(part):
            operations += [
                {"op": "add", "path": _pointer(part, key), "value": value}
                for key, value in values.items()
            ]
        else:
            operations.append({"op": "add", "path": f"/metadata/{part}", "value": values})
    return operations


def _pointer(part: str, key: str) -> str:
    """Return the JSON pointer (RFC 6901) of a key, with a slash escaped as `~1`."""
    return f"/metadata/{part}/{key.replace('~', '~0').replace('/', '~1')}"
