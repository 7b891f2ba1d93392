"""Merge a manifest into a live object as `kubectl apply` does; pure.

The API server records the writer of each field in `metadata.managedFields`. A field that a manifest
does not name is removed if only machinist's field manager wrote it, and kept if another writer
wrote it or the API server set it by default. List items are merged by the keys that `managedFields`
has for the list.

Server-side apply does the same inside the API server. It is not used here, because it

- refuses manifests that a POST accepts, such as two variables of one name, with status 500, and
  reports an unknown field with status 500 too;
- cannot replace a strategy or the source of a volume whose values are defaults (422);
- cannot create an object only if it is absent, so a late request would recreate a deleted object;
  a late POST or an update with a resourceVersion cannot, and both need the same read;
- would never again remove a field that an earlier version of machinist wrote: it counts a POST or
  a PATCH of the same field manager as another writer.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from contracts.checks.json_limits import ANSWERS, decode
from contracts.resources import Object
from worker.providers.k8s.api.requests import FIELD_MANAGER

ATOMIC = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps with a single writer, even if `managedFields` records them by key."""

PROBES = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})
HANDLERS = frozenset({"exec", "grpc", "httpGet", "tcpSocket"})
SOURCES = frozenset({"postStart", "preStop", "valueFrom"})
"""Structs that allow only one member: a handler, or the source of a value."""
TYPED = frozenset({"strategy", "updateStrategy", "appArmorProfile", "seccompProfile"})
"""Structs whose `type` determines the other members."""

KEY_DEFAULTS = {"protocol": "TCP"}
"""Values of key fields that a manifest may leave out."""

REMOVED = object()

Key = tuple[tuple[str, str], ...]


class Writers(NamedTuple):
    """FieldsV1 of one part of an object: written by machinist, and by others; None if not."""

    ours: Object | None
    others: Object | None

    def below(self, element: str) -> "Writers":
        """Return the writers of an element of this part."""
        return Writers((self.ours or {}).get(element), (self.others or {}).get(element))

    def elements(self) -> set[str]:
        """Return the names of all recorded elements."""
        return (self.ours or {}).keys() | (self.others or {}).keys()

    @property
    def is_leaf(self) -> bool:
        """True if this part is recorded without elements."""
        return (self.ours is not None or self.others is not None) and not self.elements()


def writers(live: Object) -> Writers:
    """Return the writers of an object's fields."""
    entries = live["metadata"].get("managedFields") or []
    found: tuple[list[Object], list[Object]] = ([], [])
    for entry in entries:
        is_ours = entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
        found[0 if is_ours else 1].append(entry.get("fieldsV1") or {})
    return Writers(*(_union(trees) if trees else None for trees in found))


def _union(trees: Iterable[Object]) -> Object:
    result: Object = {}
    for tree in trees:
        for element, below in tree.items():
            result[element] = _union([result.get(element, {}), below])
    return result


def merged(name: str, live: Any, wanted: Any, by: Writers) -> Any:
    """Return a field called `name` after the merge; null in a manifest removes a field."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        if name in ATOMIC or (live and by.is_leaf):
            return wanted
        return _merged_struct(name, live, wanted, by)
    if isinstance(live, list) and isinstance(wanted, list):
        return _merged_list(name, live, wanted, by)
    return wanted


def _merged_struct(name: str, live: Object, wanted: Object, by: Writers) -> Object:
    new: Object = {}
    excluded = _excluded(name, live, wanted)
    for key, value in live.items():
        if key in wanted:
            new[key] = merged(key, value, wanted[key], by.below(f"f:{key}"))
        elif key not in excluded:
            new[key] = _remainder(key, value, by.below(f"f:{key}"))
    new |= {key: value for key, value in wanted.items() if key not in live}
    return {key: value for key, value in new.items() if value is not None and value is not REMOVED}


def _excluded(name: str, live: Object, wanted: Object) -> Iterable[str]:
    """Return the live fields that are incompatible with the manifest's, with any writer."""
    others = live.keys() - wanted.keys()
    if name in TYPED and "type" in wanted:
        return others if wanted["type"] != live.get("type") else ()
    if name in PROBES and HANDLERS & wanted.keys():
        return others & HANDLERS
    if name in SOURCES and wanted:
        return others
    if name == "env":
        return others & {"value", "valueFrom"}
    if name == "volumes" and wanted.keys() - {"name"}:
        return others
    return ()


def _remainder(name: str, value: Any, by: Writers) -> Any:
    """Return the rest of a field that the manifest does not name, or REMOVED."""
    if by.ours is None:
        return value
    if by.others is None or name in PROBES | SOURCES:
        # Probes and handlers are removed whole: a part of one is not valid.
        return REMOVED
    if by.is_leaf:
        return value
    if isinstance(value, dict):
        parts = {key: _remainder(key, each, by.below(f"f:{key}")) for key, each in value.items()}
        return {key: each for key, each in parts.items() if each is not REMOVED} or REMOVED
    if isinstance(value, list):
        return _merged_list(name, value, [], by) or REMOVED
    return value


def _merged_list(name: str, live: list[Any], wanted: list[Any], by: Writers) -> list[Any]:
    elements = by.elements()
    if any(element.startswith("v:") for element in elements):
        return wanted + [
            each for each in live if each not in wanted and _stays(by.below(f"v:{_json(each)}"))
        ]
    recorded = {
        _key(decode(each[2:].encode(), ANSWERS)): each for each in elements if each.startswith("k:")
    }
    if not recorded or not all(isinstance(each, dict) for each in [*live, *wanted]):
        return wanted
    fields = [field for field, _ in next(iter(recorded))]
    before = {_key_of(each, fields): each for each in live}
    after = [(_key_of(each, fields), each) for each in wanted]
    named = [key for key, _ in after]
    new = [
        (key, merged(name, before[key], each, by.below(recorded.get(key, ""))))
        if key in before and named.count(key) == 1
        else (key, each)
        for key, each in after
    ]
    kept = {
        key: each
        for key, each in before.items()
        if key not in named
        and _stays(by.below(recorded.get(key, "")))
        and not _collides(name, each, wanted)
    }
    return _in_order(list(before), new, kept)


def _stays(by: Writers) -> bool:
    """Return whether a list item stays that the manifest does not name: it has another writer."""
    return by.ours is None or "." not in by.ours or (by.others is not None and "." in by.others)


def _collides(name: str, item: Object, wanted: list[Object]) -> bool:
    """Return whether a port collides with the manifest's ports by its name.

    Names are unique, and a Service with several ports must name each; a container need not.
    """
    if name != "ports":
        return False
    if item.get("name") is None:
        return "containerPort" not in item
    return item["name"] in [each.get("name") for each in wanted]


def _in_order(live: list[Key], new: list[tuple[Key, Any]], kept: Mapping[Key, Any]) -> list[Any]:
    """Return the items in the manifest's order, with kept items in their places if possible."""
    named = [key for key, _ in new]
    known = set(named).intersection(live)
    common = [key for key in live if key in known]
    if not common or common != [key for key in named if key in known]:
        return [each for _, each in new] + [*kept.values()]
    result: list[Any] = []
    rest = list(new)
    for key in live:
        if key in kept:
            result.append(kept[key])
        elif key in known:
            end = [each for each, _ in rest].index(key) + 1
            result += [each for _, each in rest[:end]]
            rest = rest[end:]
    return result + [each for _, each in rest]


def _key(values: Object) -> Key:
    return tuple((field, _json(value)) for field, value in sorted(values.items()))


def _key_of(item: Object, fields: list[str]) -> Key:
    # As JSON, because a manifest may have a value of any type.
    return tuple((field, _json(item.get(field, KEY_DEFAULTS.get(field)))) for field in fields)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def difference(live: Any, new: Any) -> Any:
    """Return the merge patch from one value to another, with null for removed members.

    Values are compared as JSON, because `True == 1 == 1.0` in Python.
    """
    if not isinstance(live, dict) or not isinstance(new, dict):
        return new
    removed = {key: None for key in live if key not in new}
    return removed | {
        key: difference(live.get(key), value)
        for key, value in new.items()
        if key not in live or _json(live[key]) != _json(value)
    }
