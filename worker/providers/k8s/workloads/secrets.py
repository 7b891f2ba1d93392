"""Write Secrets without reading them, and keep their content out of responses and faults."""

import base64
import re
from typing import Any

from contracts.checks.validation import checked, nearest
from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.providers.k8s import names
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Again, Denied, Failure, MissingRight
from worker.providers.k8s.kinds import SECRETS
from worker.providers.k8s.objects import OwnerReference
from worker.providers.k8s.workloads import manifests

MEMBERS = frozenset(
    {"apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable", "status"}
)
METADATA = frozenset(
    {"name", "namespace", "labels", "annotations", "finalizers", "ownerReferences"}
)
SHOWN_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels")
TYPES: Object = {"immutable": bool | None, "type": str | None}
METADATA_TYPES: Object = {
    "finalizers": list[str] | None,
    "ownerReferences": list[OwnerReference] | None,
}
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
"""Go's base64, if the length is a multiple of four; Python's decoder also accepts `Zm9v=`."""
SAFE_CODES = frozenset(
    {
        Code.NOT_FOUND,
        Code.PLATFORM_LIMITING,
        Code.PLATFORM_UNREACHABLE,
        Code.DEADLINE_EXCEEDED,
    }
)
"""Faults whose messages do not quote the request."""


async def apply(kube: BoundClient, namespace: str, manifest: Object) -> tuple[Object, bool | None]:
    """Create or update a Secret in one request, without a read.

    Return the Secret with its data, and whether it was created (None if unknown).
    """
    wanted = read(manifest, namespace)
    path = SECRETS.path(namespace, wanted["metadata"]["name"])
    try:
        return await kube.apply(path, wanted)
    except Fault as fault:
        raise _redacted(fault) from None


def read(manifest: Object, namespace: str) -> Object:
    """Return the Secret of a manifest, with stringData converted to data.

    Otherwise server-side apply would keep keys of an earlier stringData that this manifest lacks.
    """
    _refuse_unknown(manifest, MEMBERS, "")
    metadata = manifest.get("metadata")
    if isinstance(metadata, dict):
        _refuse_unknown(metadata, METADATA | manifests.SERVER_METADATA, "metadata.")
    _, wanted = manifests.read(manifest, namespace, SECRETS)
    _refuse_types(wanted)
    encoded, plain = _texts(wanted, "data"), _texts(wanted, "stringData")
    for key in (*encoded, *plain):
        checked(key, names.DataKey, "manifest.data" if key in encoded else "manifest.stringData")
    data = {key: _base64(key, value) for key, value in encoded.items()}
    data |= {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
    return {key: value for key, value in wanted.items() if key != "stringData"} | {"data": data}


def _refuse_unknown(given: Object, known: frozenset[str], where: str) -> None:
    """Raise for unknown members; the message names only those similar to a known one.

    Any other may be a secret in the wrong place.
    """
    unknown = sorted(given.keys() - known)
    if not unknown:
        return
    like = {key: nearest(key, known) for key in unknown}
    named = [f"{where}{key} (expected {near})" for key, near in like.items() if near]
    rest = len(unknown) - len(named)
    got = named + ([f"{rest} unknown (not shown)"] if rest else [])
    raise Fault(
        Code.INVALID,
        f"manifest: expected a Secret with nothing but "
        f"{', '.join(where + key for key in sorted(known - manifests.SERVER_METADATA))}, "
        f"got {', '.join(got)}",
    )


def _refuse_types(wanted: Object) -> None:
    """Raise for a member of a wrong type, and for invalid labels and annotations."""
    for key, expected in TYPES.items():
        checked(wanted.get(key), expected, f"manifest.{key}", secret=True)
    metadata: Object = wanted["metadata"]
    for key, expected in METADATA_TYPES.items():
        checked(metadata.get(key), expected, f"manifest.metadata.{key}", secret=True)
    where = "manifest.metadata.labels"
    for key, value in _texts(metadata, "labels", "metadata.").items():
        checked(key, names.LabelKey, where)
        checked(value, names.LabelValue, f"{where}.{key}", secret=True)
    for key in _texts(metadata, "annotations", "metadata."):
        # The API server also accepts capitals in the prefix of an annotation.
        checked(key.lower(), names.LabelKey, "manifest.metadata.annotations")


def _texts(manifest: Object, member: str, where: str = "") -> dict[str, str]:
    """Return a member's map of strings; null counts as absent, as in the API server."""
    found = manifest.get(member)
    found = {} if found is None else found
    if not isinstance(found, dict) or not all(
        each is None or isinstance(each, str) for each in found.values()
    ):
        raise Fault(Code.INVALID, f"manifest.{where}{member}: expected an object of strings")
    return {key: each or "" for key, each in found.items()}


def _base64(key: str, value: str) -> str:
    """Return a base64 value without line breaks, which Go's decoder ignores."""
    bare = value.replace("\r", "").replace("\n", "")
    if len(bare) % 4 or BASE64.fullmatch(bare) is None:
        raise Fault(Code.INVALID, f"manifest.data.{key}: expected base64")
    return bare


def shown(secret: Object) -> Object:
    """Return a Secret without data and annotations; annotations may repeat the data."""
    metadata: dict[str, Any] = secret.get("metadata") or {}
    known = {
        key: secret[key] for key in ("apiVersion", "kind", "type", "immutable") if key in secret
    }
    return known | {"metadata": {key: metadata[key] for key in SHOWN_METADATA if key in metadata}}


def _redacted(fault: Fault) -> Fault:
    """Return the fault without a message that may quote the Secret."""
    lost = isinstance(fault, Failure) and fault.again is Again.LOST
    if lost or fault.code in SAFE_CODES or isinstance(fault, MissingRight):
        return fault
    if isinstance(fault, Denied):
        return Fault(
            fault.code,
            f"the {fault.by} refuses the secret; the reason is not shown, because it may quote the "
            "secret",
        )
    if fault.code is Code.PLATFORM_FORBIDDEN:
        return Fault(
            fault.code,
            "Kubernetes refuses the secret: the worker's user needs a role with apiGroups "
            '[""], resources ["secrets"], verbs ["create", "patch"], or a quota or an admission '
            "rule forbids it",
        )
    return Fault(
        fault.code,
        "Kubernetes did not confirm the secret; the reason is not shown, because it may quote the "
        "secret",
    )
