"""The state before and after a command, for its outcome, from the API server's responses; pure.

Decoding is lenient: an observation must not fail a command that succeeded.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.resources import Object
from worker.observations import conforms, images, pair, plain
from worker.providers.k8s import translate
from worker.providers.k8s.kinds import DEPLOYMENTS, HTTP_ROUTES, SERVICES, ResourceType
from worker.providers.k8s.names import LabelKey, LabelValue
from worker.providers.k8s.objects import Replication, Workload

ABSENT: Object = {"exists": False}
PRESENT: Object = {"exists": True}
"""An object of which only the existence is known."""
DELETING: Object = {"exists": True, "deleting": True}

SECRET_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
PINNED = re.compile(r"\(\.\*;\\s\*\)\?(?P<cookie>[^()]*)\(\\s\*;\.\*\)\?")
"""The header match that a route plan uses for a cookie."""
EVERYTHING = "/"


def scaling(found: Workload | Replication, former: int | None) -> tuple[Object, Object]:
    """Return the states before and after a scaling; `former` is the desired count before."""
    running: Object = {"running": translate.ready(found)}
    before = running if former is None else {"replicas": former} | running
    return before, {"replicas": translate.wanted(found)} | running


def machine_labels(found: Mapping[str, str], named: Iterable[str]) -> Object:
    """Return a machine's current values of the labels that a command names."""
    return {"labels": {key: found.get(key) for key in named}}


def written(resource: ResourceType, live: Object | None, found: Object) -> tuple[Object, Object]:
    """Return the states before and after a write; `live` is None if the object was created."""
    return ABSENT if live is None else state(resource, live), state(resource, found)


def workload(
    former: Object | None,
    found: Object,
    former_service: Object | None = None,
    service: Object | None = None,
) -> tuple[Object, Object]:
    """Return the states before and after of a Deployment, with the ports of its Service."""
    before, after = written(DEPLOYMENTS, former, found)
    return before | _ports(former_service), after | _ports(service)


def deleted(resource: ResourceType, live: Object | None, answer: Object) -> tuple[Object, Object]:
    """Return the states before and after a deletion; `live` is the object if it was read.

    The API server returns the object while finalizers hold it, and a `Status` after its removal.
    """
    is_object = answer.get("kind") == resource.name
    last = live or (answer if is_object else None)
    waits = is_object and _part(answer, "metadata").get("deletionTimestamp") is not None
    return PRESENT if last is None else state(resource, last), DELETING if waits else ABSENT


def state(resource: ResourceType, found: Object) -> Object:
    """Return the observation of an object."""
    if resource == SERVICES:
        return _service(found)
    return _route(found) if resource == HTTP_ROUTES else _controller(found)


def applied_secret(answer: Object, created: bool | None) -> tuple[Object, Object]:
    """Return the states before and after a write of a Secret: only the names of its keys."""
    before: Object = {} if created is None else {"exists": not created}
    keys = sorted(key for key in _part(answer, "data") if SECRET_KEY.fullmatch(key))
    return before, {"secretKeys": keys}


def _controller(found: Object) -> Object:
    seen: Object = {}
    replicas = _part(found, "spec").get("replicas")
    if type(replicas) is int:
        seen["replicas"] = replicas
    if isinstance(found.get("status"), dict):
        # The API server omits zero.
        running = found["status"].get("readyReplicas", 0)
        seen |= {"running": running} if type(running) is int else {}
    pod = _part(found, "spec", "template", "spec")
    containers = [*_list(pod, "containers"), *_list(pod, "initContainers")]
    return seen | {
        "images": images([each.get("image") for each in containers]),
        "labels": _labels(found),
    }


def _service(found: Object) -> Object:
    return _ports(found) | {"labels": _labels(found)}


def _ports(service: Object | None) -> Object:
    if service is None:
        return {}
    ports = _list(_part(service, "spec"), "ports")
    return {
        "ports": [plain(f"{each.get('port')}/{each.get('protocol') or 'TCP'}") for each in ports]
    }


def _route(found: Object) -> Object:
    spec = _part(found, "spec")
    hostnames = spec.get("hostnames") or []
    rules = _list(spec, "rules")
    backends = [name for rule in rules for name in _backends(rule)]
    return {
        "hostnames": [plain(str(each)) for each in hostnames] if type(hostnames) is list else [],
        "rules": [_rule(rule) for rule in rules],
        "backends": list(dict.fromkeys(backends)),
    }


def _rule(rule: Object) -> str:
    """Return a rule as text, such as `header x-version=v6: orders-v6`."""
    matches = [_match(each) for each in _list(rule, "matches")] or ["default"]
    return plain(f"{' or '.join(matches)}: {', '.join(_backends(rule))}")


def _match(match: Object) -> str:
    path, method = _part(match, "path").get("value"), match.get("method")
    parts = [f"method {method}"] if method else []
    parts += [f"path {path}"] if path not in (None, EVERYTHING) else []
    parts += [_header(each) for each in _list(match, "headers")]
    parts += [f"queryParam {_pair(each)}" for each in _list(match, "queryParams")]
    return " and ".join(parts) or "default"


def _header(header: Object) -> str:
    pinned = PINNED.fullmatch(str(header.get("value")))
    if pinned and str(header.get("name")).lower() == "cookie":
        return f"cookie {pair(*_unescaped(pinned['cookie']).split('=', 1))}"
    return f"header {_pair(header)}"


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)


def _pair(match: Object) -> str:
    return pair(str(match.get("name")), str(match.get("value")))


def _backends(rule: Object) -> list[str]:
    names = (each.get("name") for each in _list(rule, "backendRefs"))
    return [plain(name) for name in names if isinstance(name, str)]


def _labels(found: Object) -> dict[str, str]:
    labels = _part(found, "metadata", "labels")
    return {
        key: value
        for key, value in labels.items()
        if conforms(key, LabelKey) and conforms(value, LabelValue)
    }


def _part(found: Object, *keys: str) -> Object:
    """Return a nested object, or an empty one."""
    part: Any = found
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    return part if isinstance(part, dict) else {}


def _list(found: Object, key: str) -> list[Object]:
    listed = found.get(key)
    entries = listed if isinstance(listed, list) else []
    return [each for each in entries if isinstance(each, dict)]
