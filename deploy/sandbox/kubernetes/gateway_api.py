"""The kinds of the Gateway API (gateway.networking.k8s.io), which is optional in a cluster."""

import re
from typing import Any

from deploy.sandbox.kubernetes.kinds import (
    INCOMPLETE,
    Cause,
    Kind,
    Listed,
    Object,
    invalid_value,
    required,
)
from deploy.sandbox.kubernetes.schema import STATUS, object_type, struct
from deploy.sandbox.kubernetes.statuses import quoted

GROUP = "gateway.networking.k8s.io"
_EPOCH = "1970-01-01T00:00:00Z"
_HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_MAX_RULES = 16
_PATH_TYPES = ("Exact", "PathPrefix", "RegularExpression")
_BACKEND = struct(
    "HTTPBackendRef", "group kind name namespace", port="int32", weight="int32", filters="any"
)
_MATCH = struct(
    "HTTPRouteMatch",
    "method",
    path=struct("HTTPPathMatch", "type value"),
    headers=Listed("object"),
    queryParams=Listed("object"),
)
_RULE = struct(
    "HTTPRouteRule",
    "name",
    matches=Listed(_MATCH),
    filters=Listed("object"),
    backendRefs=Listed(_BACKEND),
    **dict.fromkeys(("timeouts", "retry", "sessionPersistence"), "object"),
)
_ROUTE_SPEC = struct(
    "HTTPRouteSpec",
    "useDefaultGateways",
    parentRefs=Listed("object"),
    hostnames=Listed("string"),
    rules=Listed(_RULE),
)
_LISTENER = struct(
    "Listener",
    "name hostname protocol",
    port="int32",
    tls="object",
    allowedRoutes=struct("AllowedRoutes", namespaces="object", kinds=Listed("object")),
)
_GATEWAY_SPEC = struct(
    "GatewaySpec",
    "gatewayClassName defaultScope",
    listeners=Listed(_LISTENER),
    addresses=Listed("object"),
    **dict.fromkeys(("infrastructure", "allowedListeners", "tls"), "object"),
)


def _default_route(route: Object) -> None:
    for parent in _objects((route.get("status") or {}).get("parents")):
        if isinstance(parent.get("parentRef"), dict):
            parent["parentRef"] = {"group": GROUP, "kind": "Gateway", **parent["parentRef"]}
    spec = route.get("spec")
    if not isinstance(spec, dict):
        return
    for parent in _objects(spec.get("parentRefs")):
        parent.setdefault("group", GROUP)
        parent.setdefault("kind", "Gateway")
    rules = spec.setdefault("rules", [{}])
    for rule in _objects(rules):
        for match in _objects(rule.setdefault("matches", [{}])):
            match.setdefault("path", {"type": "PathPrefix", "value": "/"})
            match["path"].setdefault("type", "PathPrefix")
        for backend in _objects(rule.get("backendRefs")):
            backend.setdefault("group", "")
            backend.setdefault("kind", "Service")
            backend.setdefault("weight", 1)


def _route_causes(route: Object) -> list[Cause]:
    spec = route.get("spec")
    if spec is None:
        return [required("spec"), INCOMPLETE]
    schema = _hostname_causes(spec.get("hostnames")) + _rule_schema_causes(spec["rules"])
    if schema:
        return schema
    return [
        cause
        for number, rule in enumerate(spec["rules"])
        for cause in _rule_causes(rule, f"spec.rules[{number}]")
    ]


def _hostname_causes(hostnames: list[str] | None) -> list[Cause]:
    at = "spec.hostnames"
    return [
        invalid_value(
            f"{at}[{number}]", quoted(name), f"{at}[{number}] in body should match '{_HOSTNAME}'"
        )
        for number, name in enumerate(hostnames or ())
        if not re.match(_HOSTNAME, name)
    ]


def _rule_schema_causes(rules: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    if len(rules) > _MAX_RULES:
        message = f"Too many: {len(rules)}: must have at most {_MAX_RULES} items"
        causes += [Cause("spec.rules", "FieldValueTooMany", message), INCOMPLETE]
    for number, rule in enumerate(rules):
        for position, backend in enumerate(rule.get("backendRefs") or ()):
            if backend["weight"] < 0:
                at = f"spec.rules[{number}].backendRefs[{position}].weight"
                why = f"{at} in body should be greater than or equal to 0"
                causes.append(invalid_value(at, str(backend["weight"]), why))
        for position, match in enumerate(rule["matches"]):
            if match["path"]["type"] not in _PATH_TYPES:
                at = f"spec.rules[{number}].matches[{position}].path.type"
                listed = ", ".join(quoted(name) for name in _PATH_TYPES)
                value = quoted(match["path"]["type"])
                message = f"Unsupported value: {value}: supported values: {listed}"
                causes += [Cause(at, "FieldValueNotSupported", message), INCOMPLETE]
    return causes


def _rule_causes(rule: Object, at: str) -> list[Cause]:
    causes = [
        Cause(
            f"{at}.backendRefs[{position}]",
            "FieldValueInvalid",
            "Invalid value: Must have port for Service reference",
        )
        for position, backend in enumerate(rule.get("backendRefs") or ())
        if backend["kind"] == "Service" and not backend["group"] and not backend.get("port")
    ]
    for position, match in enumerate(rule["matches"]):
        path = match["path"]
        if path["type"] != "RegularExpression" and not path.get("value", "/").startswith("/"):
            why = (
                "value must be an absolute path and start with '/' when type one of "
                "['Exact', 'PathPrefix']"
            )
            causes.append(
                Cause(
                    f"{at}.matches[{position}].path", "FieldValueInvalid", f"Invalid value: {why}"
                )
            )
    return causes


def _default_gateway(gateway: Object) -> None:
    for listener in _objects((gateway.get("spec") or {}).get("listeners")):
        listener.setdefault("allowedRoutes", {}).setdefault("namespaces", {"from": "Same"})
    gateway.setdefault("status", {"conditions": [_waiting("Accepted"), _waiting("Programmed")]})


def _gateway_causes(gateway: Object) -> list[Cause]:
    listeners = (gateway.get("spec") or {}).get("listeners")
    if not listeners:
        return [required("spec.listeners"), INCOMPLETE]
    seen: set[str] = set()
    causes: list[Cause] = []
    for number, listener in enumerate(listeners):
        name = listener.get("name") or ""
        causes += [
            required(f"spec.listeners[{number}].{field}")
            for field in ("name", "port", "protocol")
            if not listener.get(field)
        ]
        if name in seen:
            message = f'Duplicate value: {{"name":{quoted(name)}}}'
            causes.append(Cause(f"spec.listeners[{number}]", "FieldValueDuplicate", message))
        seen.add(name)
    if len(seen) < len(listeners):
        message = "Invalid value: Listener name must be unique within the Gateway"
        causes.append(Cause("spec.listeners", "FieldValueInvalid", message))
    return causes


def _default_class(gateway_class: Object) -> None:
    gateway_class.setdefault("status", {"conditions": [_waiting("Accepted")]})


def _waiting(condition: str) -> Object:
    return {
        "lastTransitionTime": _EPOCH,
        "message": "Waiting for controller",
        "reason": "Pending",
        "status": "Unknown",
        "type": condition,
    }


def _objects(value: Any) -> list[Object]:
    listed = value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, dict)]


GATEWAY_CLASSES = Kind(
    GROUP,
    ("v1", "v1beta1"),
    "GatewayClass",
    "gatewayclasses",
    namespaced=False,
    short_names=("gc",),
    has_status=True,
    custom=True,
    counts_generations=True,
    declared=object_type("GatewayClass", spec="object", status=STATUS),
    defaults=_default_class,
)
GATEWAYS = Kind(
    GROUP,
    ("v1", "v1beta1"),
    "Gateway",
    "gateways",
    short_names=("gtw",),
    has_status=True,
    custom=True,
    counts_generations=True,
    declared=object_type("Gateway", spec=_GATEWAY_SPEC, status=STATUS),
    defaults=_default_gateway,
    validate=_gateway_causes,
)
HTTP_ROUTES = Kind(
    GROUP,
    ("v1", "v1beta1"),
    "HTTPRoute",
    "httproutes",
    has_status=True,
    custom=True,
    counts_generations=True,
    declared=object_type("HTTPRoute", spec=_ROUTE_SPEC, status=STATUS),
    defaults=_default_route,
    validate=_route_causes,
)
KINDS = (GATEWAY_CLASSES, GATEWAYS, HTTP_ROUTES)
