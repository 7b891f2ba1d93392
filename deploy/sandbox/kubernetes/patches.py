"""JSON Patch, JSON Merge Patch and strategic merge patch. Pure."""

import copy
from typing import Any

from deploy.sandbox.kubernetes.fields import MERGE_KEYS
from deploy.sandbox.kubernetes.kinds import Object


class PatchFailed(Exception):
    """A JSON Patch that does not fit the object: a missing path or a failed test."""


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def strategic(target: Any, patch: Any, name: str = "") -> Any:
    """Apply a strategic merge patch, which merges lists with a merge key item by item."""
    if isinstance(patch, list):
        return _strategic_list(target if isinstance(target, list) else [], patch, name)
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        _strategic_field(result, key, value)
    return result


def _strategic_field(result: Object, key: str, value: Any) -> None:
    directive, _, field = key.partition("/")
    if directive == "$deleteFromPrimitiveList":
        result[field] = [item for item in result.get(field, []) if item not in value]
    elif key == "$retainKeys":
        for name in set(result) - set(value):
            del result[name]
    elif key.startswith("$"):
        return
    elif value is None:
        result.pop(key, None)
    else:
        result[key] = strategic(result.get(key), value, key)


def _strategic_list(target: list[Any], patch: list[Any], name: str) -> list[Any]:
    key = _merge_key(name, patch)
    if name == "finalizers":
        return [*target, *(item for item in patch if item not in target)]
    if key is None:
        return [item for item in patch if item != {"$patch": "replace"}]
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    wanted = {item[key]: item for item in patch if key in item}
    gone = {value for value, item in wanted.items() if item.get("$patch") == "delete"}
    known = {item.get(key) for item in target}
    added = [strategic({}, item) for value, item in wanted.items() if value not in known | gone]
    kept = [
        strategic(item, wanted[item[key]]) if item.get(key) in wanted else item
        for item in target
        if item.get(key) not in gone
    ]
    # The API server puts new items first unless the patch orders the list.
    return added + kept


def _merge_key(name: str, patch: list[Any]) -> str | None:
    for keys in MERGE_KEYS.get(name, ()):
        if patch and all(_has_key(item, keys[0]) for item in patch):
            return keys[0]
    return None


def _has_key(item: Any, key: str) -> bool:
    return isinstance(item, dict) and (isinstance(item.get(key), str | int) or "$patch" in item)


def json_patch(target: Object, operations: list[Object]) -> Any:
    """Apply a JSON Patch (RFC 6902): all operations or none."""
    result: Any = copy.deepcopy(target)
    for operation in operations:
        result = _operate(result, operation)
    return result


def _operate(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise PatchFailed("an operation is an object")
    path = _pointer(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _put(document, path, operation.get("value"), insert=True)
        case "replace":
            _read(document, path)
            return _put(document, path, operation.get("value"), insert=False)
        case "remove":
            _take(document, path)
            return document
        case "test":
            if _found(document, path) != operation.get("value"):
                raise PatchFailed("test failed")
            return document
        case "copy":
            value = copy.deepcopy(_read(document, _pointer(operation.get("from"))))
            return _put(document, path, value, insert=True)
        case "move":
            return _put(
                document, path, _take(document, _pointer(operation.get("from"))), insert=True
            )
    raise PatchFailed("unknown operation")


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchFailed("bad pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _read(document: Any, path: list[str]) -> Any:
    for part in path:
        try:
            document = document[int(part)] if isinstance(document, list) else document[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise PatchFailed("missing path") from error
    return document


def _found(document: Any, path: list[str]) -> Any:
    """Return the value for a test; the API server treats an absent member as null."""
    parent = _read(document, path[:-1])
    return parent.get(path[-1]) if path and isinstance(parent, dict) else _read(document, path)


def _put(document: Any, path: list[str], value: Any, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and (
        last == "-" or (last.isdigit() and int(last) <= len(parent))
    ):
        position = len(parent) if last == "-" else int(last)
        parent[position : position if insert else position + 1] = [value]
    else:
        raise PatchFailed("missing path")
    return document


def _take(document: Any, path: list[str]) -> Any:
    value = _read(document, path)
    if not path:
        raise PatchFailed("the whole document cannot be removed")
    parent = _read(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return value
