"""The scalings that the Kubernetes sandbox received, as JSON Patch or merge patch."""

import json
from typing import Any

from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.server import KubernetesSandbox

REFUSED = 422
"""The status of a scaling whose JSON Patch test failed, and which changed nothing."""


def scalings(sandbox: KubernetesSandbox) -> list[tuple[int, Call]]:
    """Return the written replicas with their requests, in order of arrival."""
    found = []
    for call in sandbox.calls.writes():
        replicas = _replicas_in(call.body)
        if replicas is not None and call.status != REFUSED:
            found.append((replicas, call))
    return found


def written(sandbox: KubernetesSandbox) -> list[int]:
    """Return the written replicas, in order of arrival."""
    return [replicas for replicas, _ in scalings(sandbox)]


def _replicas_in(body: bytes | None) -> int | None:
    """Return the replicas that a patch sets; None for another request or an unread body."""
    if not body:
        return None
    patch: Any = json.loads(body)
    if isinstance(patch, list):
        values = [each["value"] for each in patch if each["path"] == "/spec/replicas"]
        return int(values[0]) if values else None
    replicas = patch.get("spec", {}).get("replicas")
    return None if replicas is None else int(replicas)
