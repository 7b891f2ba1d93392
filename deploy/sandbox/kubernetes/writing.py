"""POST and PUT, and the steps of every write: defaults, validation, ownership and storing."""

import base64
import os
from dataclasses import dataclass
from typing import Any

import msgspec

from deploy.sandbox.kubernetes import core, options
from deploy.sandbox.kubernetes.admission import check_namespace, metadata_causes
from deploy.sandbox.kubernetes.bodies import read_object
from deploy.sandbox.kubernetes.builders import identity, now, with_account, word
from deploy.sandbox.kubernetes.fields import after_update
from deploy.sandbox.kubernetes.garbage import remove
from deploy.sandbox.kubernetes.kinds import Cause, Kind, Object, forbidden, invalid_value
from deploy.sandbox.kubernetes.messages import Answer, Request, encode_object, json_answer
from deploy.sandbox.kubernetes.paths import Target
from deploy.sandbox.kubernetes.services import allocate
from deploy.sandbox.kubernetes.statuses import (
    already_exists,
    bad_request,
    conflict,
    internal,
    invalid,
    not_found,
    quoted,
)
from deploy.sandbox.kubernetes.store import Store, Stored

_SERVER_OWNED = (
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
    "uid",
    "name",
)


@dataclass(frozen=True)
class Write:
    """The target and the request of a write."""

    store: Store
    kind: Kind
    target: Target
    request: Request
    dry_run: bool

    def answer(self, status: int, stored: Stored, warnings: list[str]) -> Answer:
        body = encode_object(self.kind, self.target.version, stored)
        return json_answer(status, body, warnings)

    @property
    def api_version(self) -> str:
        return self.kind.in_version(self.target.version)


def decoded(stored: Stored) -> Object:
    """Return a copy that may be changed."""
    copy: Object = msgspec.json.decode(stored.encoded)
    return copy


def create(write: Write) -> Answer:
    obj, warnings = read_object(write.request, write.kind, write.target.version)
    stored = insert(write, obj)
    return write.answer(201, stored, warnings)


def insert(write: Write, obj: Object, managed: list[Object] | None = None) -> Stored:
    """Store a new object; server-side apply passes its managedFields as `managed`."""
    metadata = _new_metadata(write, obj)
    # Admission precedes validation, so a missing namespace is reported before an invalid name.
    check_namespace(write.store, write.kind, write.target.namespace, metadata.get("name", ""))
    if metadata.pop("resourceVersion", None) and managed is None:
        raise internal("resourceVersion should not be set on objects to be created")
    name = metadata.get("name") or _generated(metadata)
    fresh = identity(name or "", write.target.namespace if write.kind.namespaced else "")
    obj["metadata"] = {**metadata, **fresh}
    # The status in the body is ignored; it has a subresource.
    if write.kind.has_status and not write.kind.custom:
        obj.pop("status", None)
    write.kind.defaults(obj)
    causes = metadata_causes(obj, write.kind) + write.kind.validate(obj)
    if causes:
        raise invalid(write.kind.kind, write.kind.group, name or "", causes)
    if write.store.get(write.kind, write.target.namespace, name) is not None:
        raise already_exists(write.kind, name)
    # Allocated fields have no owner, so they are set after the managedFields.
    obj["metadata"]["managedFields"] = managed or after_update(
        None, _without_status(obj), write.request.manager, write.api_version, now()
    )
    if write.kind is core.SERVICES:
        allocate(obj)
    # The ServiceAccount admission mounts the token; real pods have about this size.
    if write.kind is core.PODS:
        obj["spec"] = with_account(obj["spec"], name)
    if write.kind.counts_generations:
        obj["metadata"]["generation"] = 1
    return _stored(write, obj)


def _new_metadata(write: Write, obj: Object) -> Object:
    metadata: Object = obj["metadata"]
    given = metadata.get("namespace") or write.target.namespace
    if write.kind.namespaced and given != write.target.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return {k: v for k, v in metadata.items() if k not in {"managedFields", *_SERVER_OWNED[:4]}}


def _generated(metadata: Object) -> str:
    prefix = metadata.get("generateName") or ""
    return prefix + word(base64.b64encode(os.urandom(8)).decode(), 5) if prefix else ""


def _without_status(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name != "status"}


def _stored(write: Write, obj: Object) -> Stored:
    return Stored(obj, 0) if write.dry_run else write.store.put(write.kind, obj)


def _given_and_stored(write: Write) -> tuple[Object, Stored, list[str]]:
    """Return the object of a PUT, the one that it replaces, and warnings."""
    obj, warnings = read_object(write.request, write.kind, write.target.version)
    check_name(write, obj["metadata"])
    stored = write.store.get(write.kind, write.target.namespace, write.target.name)
    if stored is None:
        raise not_found(write.kind, write.target.name)
    return obj, stored, warnings


def update(write: Write) -> Answer:
    obj, stored, warnings = _given_and_stored(write)
    metadata = obj["metadata"]
    # A PUT without a resourceVersion is valid for built-in kinds, not for custom resources.
    if write.kind.custom and not metadata.get("resourceVersion"):
        cause = invalid_value("metadata.resourceVersion", "0", "must be specified for an update")
        refusal = invalid(write.kind.plural, write.kind.group, write.target.name, [cause])
        raise refusal
    check_version(write, stored, metadata.get("resourceVersion"))
    if metadata.get("uid") not in {None, "", stored.metadata["uid"]}:
        raise conflict(write.kind, write.target.name, _other_uid(write, stored, metadata["uid"]))
    return write.answer(200, replace(write, stored, obj), warnings)


def finalize(write: Write) -> Answer:
    """Replace the finalizers of a namespace; without any, a namespace in deletion is removed."""
    obj, stored, warnings = _given_and_stored(write)
    finalizers = (obj.get("spec") or {}).get("finalizers")
    spec = {"finalizers": finalizers} if finalizers else {}
    after = write.store.put(write.kind, {**stored.object, "spec": spec})
    if not finalizers:
        _remove_if_finalized(write, after)
    return write.answer(200, after, warnings)


def _other_uid(write: Write, stored: Stored, uid: str) -> str:
    key = f"/registry/{write.kind.plural}/{write.target.namespace}/{write.target.name}"
    return (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
        f"UID in object meta: {stored.metadata['uid']}"
    )


def check_name(write: Write, metadata: Object) -> None:
    given, wanted = metadata.get("name"), write.target.name
    if not given:
        raise bad_request(
            f"the name of the object ({wanted} based on URL) was undeterminable: name must be "
            "provided"
        )
    check_path(write, metadata)


def check_path(write: Write, metadata: Object) -> None:
    """Refuse a name or a namespace that differs from the path."""
    if metadata.get("name", write.target.name) != write.target.name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({write.target.name})"
        )
    if (metadata.get("namespace") or write.target.namespace) != write.target.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def check_version(write: Write, stored: Stored, given: Any) -> None:
    if not given:
        return
    if not str(given).isdigit():
        raise internal(f"strconv.ParseUint: parsing {quoted(str(given))}: invalid syntax")
    if str(given) != stored.metadata["resourceVersion"]:
        raise conflict(write.kind, write.target.name)


def replace(
    write: Write, stored: Stored, obj: Object, managed: list[Object] | None = None
) -> Stored:
    """Store a new version of an object; equal content keeps its resourceVersion."""
    part = write.target.subresource
    before = stored.object
    after = _with_server_owned(write.kind, part, decoded(stored), obj)
    write.kind.defaults(after)
    causes = _change_causes(write.kind, before, after)
    if causes:
        raise invalid(write.kind.kind, write.kind.group, write.target.name, causes)
    if write.kind is core.SERVICES:
        allocate(after)
    metadata = after["metadata"]
    if managed is None:
        owned = _without_status(after) if not part else after
        old = _without_status(before) if not part else before
        managed = after_update(old, owned, write.request.manager, write.api_version, now(), part)
    # A write without effect must not change the resourceVersion or notify watches.
    unchanged = _content(after) == _content(before)
    if unchanged and managed == (stored.metadata.get("managedFields") or []):
        return stored
    # The generation counts changes of the spec only.
    if write.kind.counts_generations and _spec(after) != _spec(before):
        metadata["generation"] = stored.metadata.get("generation", 1) + 1
    if managed:
        metadata["managedFields"] = managed
    if write.dry_run:
        metadata["resourceVersion"] = stored.metadata["resourceVersion"]
        return Stored(after, stored.version)
    return _remove_if_finalized(write, write.store.put(write.kind, after))


def _remove_if_finalized(write: Write, stored: Stored) -> Stored:
    if "deletionTimestamp" in stored.metadata and not stored.metadata.get("finalizers"):
        remove(write.store, write.kind, stored)
    return stored


def _with_server_owned(kind: Kind, part: str, before: Object, obj: Object) -> Object:
    # PUT on /status changes only the status, PUT on the object everything else.
    if part == "status":
        return {**before, "status": obj.get("status") or {}}
    after = dict(obj)
    if kind.has_status and (not part or part == "scale"):
        after.pop("status", None)
        if "status" in before:
            after["status"] = before["status"]
    fixed = {k: before["metadata"][k] for k in _SERVER_OWNED if k in before["metadata"]}
    dropped = {"resourceVersion", "managedFields", *_SERVER_OWNED}
    given = {k: v for k, v in obj["metadata"].items() if k not in dropped}
    after["metadata"] = {**given, **fixed}
    if kind is core.SERVICES:
        _keep_addresses(before["spec"], after.setdefault("spec", {}))
    return after


def _keep_addresses(before: Object, after: Object) -> None:
    """Keep the allocated cluster address unless the update sets one."""
    if after.get("type", "ClusterIP") != "ExternalName" and not after.get("clusterIP"):
        after.update({k: before[k] for k in ("clusterIP", "clusterIPs") if k in before})


def _change_causes(kind: Kind, before: Object, after: Object) -> list[Cause]:
    causes = metadata_causes(after, kind) + kind.validate(after)
    if not causes:
        causes = kind.validate_change(before, after)
    if "deletionTimestamp" in before["metadata"]:
        old = before["metadata"].get("finalizers") or []
        new = [f for f in after["metadata"].get("finalizers") or [] if f not in old]
        if new:
            listed = ", ".join(quoted(name) for name in new)
            why = (
                "no new finalizers can be added if the object is being deleted, found new "
                f"finalizers []string{{{listed}}}"
            )
            causes += [forbidden("metadata.finalizers", why)] * 2
    return causes


def _content(obj: Object) -> Object:
    ignored = {"managedFields", "resourceVersion"}
    metadata = {k: v for k, v in obj["metadata"].items() if k not in ignored and v not in ({}, [])}
    return {**obj, "metadata": metadata}


def _spec(obj: Object) -> Object:
    return {k: v for k, v in obj.items() if k not in {"metadata", "status"}}


def begin_write(store: Store, kind: Kind, target: Target, request: Request, verb: str) -> Write:
    named = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
    return Write(store, kind, target, request, options.check_write(request, named[verb]))
