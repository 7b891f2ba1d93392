"""Scalings as the Kubernetes sandbox received them, by either kind of patch."""

import json
from typing import Any

from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.server import KubernetesSandbox

REFUSED = 422
"""The status of a scaling whose condition was not met: it changed nothing."""


def scalings(sandbox: KubernetesSandbox) -> list[tuple[int, Call]]:
    """The replicas that were written, in the order of arrival, with the request that wrote them."""
    found = []
    for call in sandbox.calls.writes():
        replicas = _replicas_in(call.body)
        if replicas is not None and call.status != REFUSED:
            found.append((replicas, call))
    return found


def written(sandbox: KubernetesSandbox) -> list[int]:
    """The replicas that were written, in the order of arrival."""
    return [replicas for replicas, _ in scalings(sandbox)]


def _replicas_in(body: bytes | None) -> int | None:
    """The replicas that a patch sets; None for another request, or while its body is read."""
    if not body:
        return None
    patch: Any = json.loads(body)
    if isinstance(patch, list):
        values = [each["value"] for each in patch if each["path"] == "/spec/replicas"]
        return int(values[0]) if values else None
    replicas = patch.get("spec", {}).get("replicas")
    return None if replicas is None else int(replicas)
