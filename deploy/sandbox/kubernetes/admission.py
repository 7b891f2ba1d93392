"""The checks for all kinds: namespace, name, labels and size."""

from deploy.sandbox.kubernetes import core
from deploy.sandbox.kubernetes.kinds import Cause, Kind, Object, invalid_value, required
from deploy.sandbox.kubernetes.names import label_causes, name_faults
from deploy.sandbox.kubernetes.statuses import not_found, quoted, refused
from deploy.sandbox.kubernetes.store import Store


def check_namespace(store: Store, kind: Kind, place: str, name: str) -> None:
    if not kind.namespaced:
        return
    namespace = store.get(core.NAMESPACES, "", place)
    if namespace is None:
        raise not_found(core.NAMESPACES, place)
    if "deletionTimestamp" in namespace.metadata:
        cause = Cause(
            "metadata.namespace", "NamespaceTerminating", f"namespace {place} is being terminated"
        )
        why = f"unable to create new content in namespace {place} because it is being terminated"
        raise refused(kind, name, why, [cause])


def metadata_causes(obj: Object, kind: Kind) -> list[Cause]:
    metadata = obj["metadata"]
    name = metadata.get("name")
    causes: list[Cause] = []
    if not name:
        causes.append(required("metadata.name", "name or generateName is required"))
    else:
        form = "label" if kind in {core.NAMESPACES, core.SERVICES} else "subdomain"
        # The name of a Service follows another rule, which `services` checks.
        faults = name_faults(name, form) if kind is not core.SERVICES else []
        causes += [invalid_value("metadata.name", quoted(name), why) for why in faults]
    causes += label_causes(metadata.get("labels") or {}, "metadata.labels")
    for number, owner in enumerate(metadata.get("ownerReferences") or ()):
        causes += [
            required(f"metadata.ownerReferences[{number}].{field}", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    annotations = metadata.get("annotations") or {}
    if sum(len(k) + len(v) for k, v in annotations.items()) > 262144:
        message = "Too long: may not be more than 262144 bytes"
        causes.append(Cause("metadata.annotations", "FieldValueTooLong", message))
    if kind is core.CONFIG_MAPS:
        size = sum(len(k) + len(v) for k, v in (obj.get("data") or {}).items())
        if size > 1048576:
            message = "Too long: may not be more than 1048576 bytes"
            causes.append(Cause("[]", "FieldValueTooLong", message))
    return causes
