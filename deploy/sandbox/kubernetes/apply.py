"""Server-side apply: merging the fields of a manager, with ownership and conflicts. Pure."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.kubernetes.fields import (
    Path,
    Paths,
    entry,
    item_key,
    leaves,
    owned,
    path_text,
    same_owner,
    to_fields,
)
from deploy.sandbox.kubernetes.kinds import Object
from deploy.sandbox.kubernetes.statuses import field_manager_conflict, internal, quoted


@dataclass(frozen=True)
class Applied:
    object: Object
    managed: list[Object]


def apply(
    live: Object | None,
    wanted: Object,
    manager: str,
    api_version: str,
    time: str,
    *,
    force: bool = False,
    part: str = "",
    shown_version: str = "",
) -> Applied:
    """Merge `wanted` into `live`; `shown_version` is the apiVersion in messages about a Scale."""
    _refuse_duplicates(wanted, api_version)
    mine = leaves(wanted)
    previous: list[Object] = (live or {}).get("metadata", {}).get("managedFields") or []
    others = [m for m in previous if not same_owner(m, manager, "Apply", part)]
    disputed = _conflicts(mine, leaves(live) if live else {}, others)
    if disputed and not force:
        raise field_manager_conflict(
            [
                (_owner(managed, shown_version), [path_text(path) for path in sorted(paths)])
                for managed, paths in disputed
            ]
        )
    lost = frozenset[Path]().union(*(paths for _, paths in disputed))
    merged = _merged(live or {}, {k: v for k, v in wanted.items() if k != "metadata"})
    merged["metadata"] = _merged((live or {}).get("metadata", {}), _own_metadata(wanted))
    before = next((m for m in previous if same_owner(m, manager, "Apply", part)), None)
    kept = [m for m in (_without(managed, lost) for managed in others) if m is not None]
    for path in _removed_paths(before, mine, kept):
        _remove(merged, path)
    return Applied(merged, [*kept, _entry(before, manager, api_version, time, mine, part)])


def _entry(
    before: Object | None, manager: str, version: str, time: str, mine: Iterable[Path], part: str
) -> Object:
    made = entry(manager, "Apply", version, time, mine, part)
    unchanged = before is not None and before["fieldsV1"] == made["fieldsV1"]
    return {**made, "time": before["time"]} if before and unchanged else made


def _own_metadata(wanted: Object) -> Object:
    fixed = {"resourceVersion", "uid", "creationTimestamp", "managedFields"}
    return {k: v for k, v in wanted.get("metadata", {}).items() if k not in fixed}


def _conflicts(
    mine: dict[Path, Any], live: dict[Path, Any], others: list[Object]
) -> list[tuple[Object, Paths]]:
    # Applying the current value of a field is shared ownership, not a conflict.
    differing = {path for path, value in mine.items() if path in live and live[path] != value}
    found = [(managed, frozenset(owned(managed) & differing)) for managed in others]
    return [(managed, paths) for managed, paths in found if paths]


def _owner(managed: Object, shown_version: str) -> str:
    part = managed.get("subresource")
    text = quoted(managed["manager"]) + (f' with subresource "{part}"' if part else "")
    if managed["operation"] == "Update":
        text += f" using {shown_version or managed['apiVersion']}"
    return text


def _without(managed: Object, lost: Paths) -> Object | None:
    rest = owned(managed) - lost
    if not rest:
        return None
    return {**managed, "fieldsV1": to_fields(rest)} if lost else managed


def _removed_paths(
    before: Object | None, mine: dict[Path, Any], others: list[Object]
) -> list[Path]:
    """Return the paths that this manager no longer applies and that have no other owner."""
    if before is None:
        return []
    elsewhere = frozenset[Path]().union(*(owned(managed) for managed in others))
    held = {path[:end] for path in elsewhere for end in range(len(path))}
    gone = owned(before) - mine.keys() - elsewhere
    # Whole list items first, while they still contain their merge key.
    whole = [path for path in gone if path[-1] == "." and path[:-1] not in held]
    return sorted(whole) + sorted(path for path in gone if path[-1] != ".")


def _merged(live: Any, wanted: Any, name: str = "") -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict) and name != "selector":
        result = dict(live)
        for key, value in wanted.items():
            if value is not None:
                result[key] = _merged(live.get(key), value, key)
        return result
    if isinstance(wanted, list) and isinstance(live, list) and _is_keyed(name, wanted):
        return _merged_list(live, wanted, name)
    return copy.deepcopy(wanted)


def _is_keyed(name: str, items: list[Any]) -> bool:
    return bool(items) and all(item_key(name, item) is not None for item in items)


def _merged_list(live: list[Any], wanted: list[Any], name: str) -> list[Any]:
    known = {item_key(name, item): item for item in live}
    applied = {item_key(name, item): item for item in wanted}
    kept = [item for key, item in known.items() if key not in applied]
    return [_merged(known.get(key), item) for key, item in applied.items()] + kept


def _remove(obj: Object, path: Path) -> None:
    node: Any = obj
    name = ""
    for element in path[:-1]:
        node, name = _step(node, element, name)
        if node is None:
            return
    if path[-1] == ".":
        _remove_item(obj, path[:-1])
    elif isinstance(node, dict):
        node.pop(path[-1].removeprefix("f:"), None)


def _remove_item(obj: Object, path: Path) -> None:
    node: Any = obj
    name = ""
    for element in path[:-1]:
        node, name = _step(node, element, name)
    if isinstance(node, list):
        node[:] = [item for item in node if item_key(name, item) != path[-1]]


def _step(node: Any, element: str, name: str) -> tuple[Any, str]:
    if isinstance(node, list):
        found = next((item for item in node if item_key(name, item) == element), None)
        return found, ""
    name = element.removeprefix("f:")
    return (node.get(name) if isinstance(node, dict) else None), name


def _refuse_duplicates(wanted: Object, api_version: str) -> None:
    twice = _duplicate_key(wanted, "")
    if twice:
        raise typed_patch_error(wanted, api_version, twice)


def _duplicate_key(value: Any, at: str) -> str:
    """Return the path of the first duplicate merge key with its message, or an empty string."""
    for name, item in value.items() if isinstance(value, dict) else ():
        items = item if isinstance(item, list) else []
        keys = [key for each in items if (key := item_key(name, each)) is not None]
        for key in keys:
            if keys.count(key) > 1:
                return f"{at}.{name}: duplicate entries for key {path_text((key,))}"
        for each in [item, *items]:
            if below := _duplicate_key(each, f"{at}.{name}"):
                return below
    return ""


def typed_patch_error(wanted: Object, api_version: str, why: str) -> Exception:
    """Return the error for an applied object of an invalid type; the API server answers 500."""
    name = wanted["metadata"].get("name", "")
    group_version = api_version if "/" in api_version else f"/{api_version}"
    return internal(
        f"failed to create typed patch object (/{name}; {group_version}, "
        f"Kind={wanted.get('kind')}): {why}"
    )
