"""Merges a manifest into a live object as `kubectl apply` does: removes only what we wrote; pure.

The API server records in `metadata.managedFields` who wrote each field. A field that a manifest
does not name goes where only our field manager wrote it, and stays where others did or where the
API server filled it in. List items are merged by the keys that `managedFields` names for the list.

Server-side apply does the same inside the API server. It is not used here, because it

- refuses manifests that a POST accepts, such as two variables of one name, with status 500, and
  reports an unknown field with status 500 too;
- cannot replace a strategy or the source of a volume whose default values nobody wrote (422);
- cannot create an object only where it is absent, so that a late request would bring a deleted
  object back; a POST cannot do that, and the version in an update needs the same read;
- would never again remove a field that an earlier version of machinist wrote: it counts a POST or
  a PATCH of the same field manager as another writer.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from contracts.json_limits import ANSWERS, decode
from contracts.resources import Object
from worker.providers.k8s.api.requests import FIELD_MANAGER

ATOMIC = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps that have one writer, whether or not `managedFields` says so."""

PROBES = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})
HANDLERS = frozenset({"exec", "grpc", "httpGet", "tcpSocket"})
SOURCES = frozenset({"postStart", "preStop", "valueFrom"})
"""Structs of which one member alone is allowed: a handler, or where a value comes from."""
TYPED = frozenset({"strategy", "updateStrategy", "appArmorProfile", "seccompProfile"})
"""Structs whose `type` says which other members are allowed."""

KEY_DEFAULTS = {"protocol": "TCP"}
"""Values of key fields that a manifest may leave out."""

GONE = object()

Key = tuple[tuple[str, str], ...]


class Writers(NamedTuple):
    """FieldsV1 of one part of an object, as we wrote it and as others did; None if not at all."""

    ours: Object | None
    others: Object | None

    def below(self, element: str) -> "Writers":
        """Return the same of a part of this part."""
        return Writers((self.ours or {}).get(element), (self.others or {}).get(element))

    def elements(self) -> set[str]:
        """Return the names of all recorded parts."""
        return (self.ours or {}).keys() | (self.others or {}).keys()

    @property
    def is_leaf(self) -> bool:
        """Whether this part is recorded, and none of its own parts is."""
        return (self.ours is not None or self.others is not None) and not self.elements()


def writers(live: Object) -> Writers:
    """Return who wrote which fields of an object."""
    entries = live["metadata"].get("managedFields") or []
    found: tuple[list[Object], list[Object]] = ([], [])
    for entry in entries:
        is_ours = entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
        found[0 if is_ours else 1].append(entry.get("fieldsV1") or {})
    return Writers(*(_united(trees) if trees else None for trees in found))


def _united(trees: Iterable[Object]) -> Object:
    result: Object = {}
    for tree in trees:
        for element, below in tree.items():
            result[element] = _united([result.get(element, {}), below])
    return result


def merged(name: str, live: Any, wanted: Any, by: Writers) -> Any:
    """Return a field called `name` as it is after the manifest; null in a manifest removes it."""
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
            new[key] = _rest(key, value, by.below(f"f:{key}"))
    new |= {key: value for key, value in wanted.items() if key not in live}
    return {key: value for key, value in new.items() if value is not None and value is not GONE}


def _excluded(name: str, live: Object, wanted: Object) -> Iterable[str]:
    """Return the fields that cannot be beside those that the manifest names, whoever wrote them."""
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


def _rest(name: str, value: Any, by: Writers) -> Any:
    """Return what stays of a field that the manifest does not name, GONE for nothing."""
    if by.ours is None:
        return value
    if by.others is None or name in PROBES | SOURCES:
        # Of a probe or handler no part means anything without the rest.
        return GONE
    if by.is_leaf:
        return value
    if isinstance(value, dict):
        parts = {key: _rest(key, each, by.below(f"f:{key}")) for key, each in value.items()}
        return {key: each for key, each in parts.items() if each is not GONE} or GONE
    if isinstance(value, list):
        return _merged_list(name, value, [], by) or GONE
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
    """Whether a list item that the manifest does not name stays: another writer made it."""
    return by.ours is None or "." not in by.ours or (by.others is not None and "." in by.others)


def _collides(name: str, item: Object, wanted: list[Object]) -> bool:
    """Whether a port cannot be beside those of the manifest, because of its name or lack of one.

    A Service with several ports has to name each. A container has not, though names are unique.
    """
    if name != "ports":
        return False
    if item.get("name") is None:
        return "containerPort" not in item
    return item["name"] in [each.get("name") for each in wanted]


def _in_order(live: list[Key], new: list[tuple[Key, Any]], kept: Mapping[Key, Any]) -> list[Any]:
    """Return the items in the manifest's order, those of others where they were if that fits."""
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
    # As JSON, because a manifest may have anything there.
    return tuple((field, _json(item.get(field, KEY_DEFAULTS.get(field)))) for field in fields)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def difference(live: Any, new: Any) -> Any:
    """Return the merge patch from one value to another: null for what is to go.

    Values are compared as JSON: Python takes `true` and `1.0` for 1, and the API server does not.
    """
    if not isinstance(live, dict) or not isinstance(new, dict):
        return new
    gone = {key: None for key in live if key not in new}
    return gone | {
        key: difference(live.get(key), value)
        for key, value in new.items()
        if key not in live or _json(live[key]) != _json(value)
    }
