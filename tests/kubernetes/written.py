"""Objects with `managedFields`, the API server's record of the writer of each field."""

import copy
from typing import Any

from deploy.sandbox.kubernetes.fields import after_update
from deploy.sandbox.kubernetes.patches import merge
from worker.providers.k8s.kinds import HTTP_ROUTES, KINDS, SERVICES
from worker.providers.k8s.workloads import manifests

Json = dict[str, Any]
TIME = "2026-01-01T00:00:00Z"


def written(obj: Json, by: str = "machinist", before: Json | None = None) -> Json:
    """Return an object as written by a field manager over a former state."""
    made = copy.deepcopy(obj)
    made["metadata"].pop("managedFields", None)
    made["metadata"]["managedFields"] = after_update(before, made, by, obj["apiVersion"], TIME)
    made["metadata"]["resourceVersion"] = "7"
    return made


def changed(live: Json, by: str, patch: Json) -> Json:
    """Return an object after another writer's merge patch."""
    return written(merge(live, patch), by, live)


def applied(live: Json, manifest: Json) -> Json:
    """Return an object after a manifest was applied to it."""
    _, wanted = manifests.read(manifest, "default", *KINDS, SERVICES, HTTP_ROUTES)
    return written(merge(live, manifests.change(live, wanted)), "machinist", live)
