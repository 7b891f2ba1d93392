"""Field ownership (`managedFields`): the paths of an object, their owners and their changes.

A path is a tuple of elements as in FieldsV1: `f:name`, `k:{"name":"c"}`, `v:"x"`.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from deploy.sandbox.kubernetes.kinds import Object

Path = tuple[str, ...]
Paths = frozenset[Path]

MERGE_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "env": (("name",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "imagePullSecrets": (("name",),),
    "conditions": (("type",),),
    "ownerReferences": (("uid",),),
    "listeners": (("name",),),
    "podIPs": (("ip",),),
}
_ATOMIC = {"selector", "nodeSelector", "affinity", "securityContext", "matches"}
_KEY_DEFAULTS = {"protocol": "TCP"}
_IDENTITY = {
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
}


def item_key(name: str, item: Any) -> str | None:
    """Return the path element of an item in a list that merges by key, or None for other lists."""
    if name == "finalizers":
        return f"v:{json.dumps(item)}"
    for keys in MERGE_KEYS.get(name, ()):
        if isinstance(item, dict) and keys[0] in item:
            key = {k: item.get(k, _KEY_DEFAULTS.get(k)) for k in keys}
            return "k:" + json.dumps(key, separators=(",", ":"), sort_keys=True)
    return None


def leaves(obj: Object) -> dict[Path, Any]:
    """Return the paths that can have an owner, with values; identity and kind cannot."""
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if name == "metadata":
            own = {k: v for k, v in value.items() if k not in _IDENTITY}
            # An empty metadata is not an owned field.
            found.update(_walk(own, ("f:metadata",), name) if own else ())
        elif name not in {"kind", "apiVersion"}:
            found.update(_walk(value, (f"f:{name}",), name))
    return found


def _walk(value: Any, path: Path, name: str) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value and name not in _ATOMIC:
        for key, item in value.items():
            yield from _walk(item, (*path, f"f:{key}"), key)
    elif isinstance(value, list) and value and item_key(name, value[0]) is not None:
        for item in value:
            element = (*path, item_key(name, item) or "")
            yield (*element, "."), None
            if isinstance(item, dict):
                yield from _walk(item, element, "")
    elif value is not None:
        yield path, value


def to_fields(paths: Iterable[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    return tree


def from_fields(tree: Object, path: Path = ()) -> Iterator[Path]:
    for element, below in tree.items():
        if below:
            yield from from_fields(below, (*path, element))
        else:
            yield (*path, element)


def path_text(path: Path) -> str:
    """Return a path as in conflict messages: `.spec.containers[name="c"].image`."""
    text = ""
    for element in path:
        if element.startswith("k:"):
            keys = json.loads(element[2:])
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in keys.items()) + "]"
        elif element.startswith("f:"):
            text += f".{element[2:]}"
    return text


def entry(
    manager: str, operation: str, api_version: str, time: str, paths: Iterable[Path], part: str = ""
) -> Object:
    made: Object = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields(paths),
    }
    return {**made, "subresource": part} if part else made


def owned(managed: Object) -> Paths:
    return frozenset(from_fields(managed["fieldsV1"]))


def same_owner(managed: Object, manager: str, operation: str, part: str) -> bool:
    return (managed["manager"], managed["operation"], managed.get("subresource", "")) == (
        manager,
        operation,
        part,
    )


def after_update(
    before: Object | None, after: Object, manager: str, api_version: str, time: str, part: str = ""
) -> list[Object]:
    """Return the entries after a write other than apply: the writer alone owns changed fields."""
    old, new = leaves(before) if before else {}, leaves(after)
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    previous = (before or {}).get("metadata", {}).get("managedFields") or []
    if not changed and new.keys() == old.keys():
        return list(previous)
    # A write other than apply takes a changed field from all other managers.
    mine, entries = set(changed), []
    for managed in previous:
        if same_owner(managed, manager, "Update", part):
            mine |= owned(managed) & new.keys()
        elif rest := (owned(managed) - changed) & new.keys():
            entries.append({**managed, "fieldsV1": to_fields(rest)})
    if mine:
        entries.append(entry(manager, "Update", api_version, time, mine, part))
    return entries
