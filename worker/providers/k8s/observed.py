"""The state before and after a command, for its outcome, from the API server's responses; pure.

Decoding is lenient: an observation must not fail a command that succeeded.
"""

import re
from collections.abc import Iterable, Mapping

from contracts.records.route_state import member, objects, plain, route_state
from contracts.resources import Object
from worker.observations import conforms, images
from worker.providers.k8s import translate
from worker.providers.k8s.kinds import DEPLOYMENTS, HTTP_ROUTES, SERVICES, ResourceType
from worker.providers.k8s.names import LabelKey, LabelValue
from worker.providers.k8s.objects import Replication, Workload

ABSENT: Object = {"exists": False}
PRESENT: Object = {"exists": True}
"""An object of which only the existence is known."""
DELETING: Object = {"exists": True, "deleting": True}

SECRET_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


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
    waits = is_object and member(answer, "metadata").get("deletionTimestamp") is not None
    return PRESENT if last is None else state(resource, last), DELETING if waits else ABSENT


def state(resource: ResourceType, found: Object) -> Object:
    """Return the observation of an object."""
    if resource == SERVICES:
        return _service(found)
    return route_state(found) if resource == HTTP_ROUTES else _controller(found)


def applied_secret(answer: Object, created: bool | None) -> tuple[Object, Object]:
    """Return the states before and after a write of a Secret: only the names of its keys."""
    before: Object = {} if created is None else {"exists": not created}
    keys = sorted(key for key in member(answer, "data") if SECRET_KEY.fullmatch(key))
    return before, {"secretKeys": keys}


def _controller(found: Object) -> Object:
    seen: Object = {}
    replicas = member(found, "spec").get("replicas")
    if type(replicas) is int:
        seen["replicas"] = replicas
    if isinstance(found.get("status"), dict):
        # The API server omits zero.
        running = found["status"].get("readyReplicas", 0)
        seen |= {"running": running} if type(running) is int else {}
    pod = member(found, "spec", "template", "spec")
    containers = [*objects(pod, "containers"), *objects(pod, "initContainers")]
    return seen | {
        "images": images([each.get("image") for each in containers]),
        "labels": _labels(found),
    }


def _service(found: Object) -> Object:
    return _ports(found) | {"labels": _labels(found)}


def _ports(service: Object | None) -> Object:
    if service is None:
        return {}
    ports = objects(member(service, "spec"), "ports")
    return {
        "ports": [plain(f"{each.get('port')}/{each.get('protocol') or 'TCP'}") for each in ports]
    }


def _labels(found: Object) -> dict[str, str]:
    labels = member(found, "metadata", "labels")
    return {
        key: value
        for key, value in labels.items()
        if conforms(key, LabelKey) and conforms(value, LabelValue)
    }
