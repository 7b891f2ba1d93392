"""A kubeconfig file: its clusters, users and contexts by name, with their values unchecked."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.failed import Failed

# kubectl's parser is a port of libyaml, which accepts tabs where YAML in pure Python does not.
Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(Base):  # type: ignore[misc]  # either of two classes, which are not typed alike
    """Resolves only booleans, nulls and merges. Other scalars are text, such as a numeric token."""


_KNOWN = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KNOWN]
    for first, resolvers in Base.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Entry:
    """A part of the file. Messages contain its `location` but no values, which may be secrets."""

    location: str
    folder: Path
    values: Mapping[str, Any] = field(repr=False)

    def has(self, key: str) -> bool:
        return self.values.get(key) not in (None, "")

    def text(self, key: str) -> str | None:
        """Return the value of a key, or None if it is absent or empty."""
        if not self.has(key):
            return None
        value = self.values[key]
        if not isinstance(value, str):
            raise Failed(f"{self.location}: {key}: expected text (the value is not shown)")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if not isinstance(value, bool | None):
            raise Failed(f"{self.location}: {key}: expected true or false")
        return bool(value)

    def file(self, key: str) -> Path | None:
        """Return the path of a key's file. Raises Failed if it cannot be read."""
        name = self.text(key)
        if name is None:
            return None
        path = self.folder / name
        _read(path, f"{self.location}: {key}", "a file that can be read")
        return path

    def data(self, key: str) -> bytes | None:
        """Return the decoded value of a `-data` key."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            # Without the cause, whose traceback would contain the value.
            raise Failed(f"{self.location}: {key}: expected base64 (it is not shown)") from None

    def content(self, key: str) -> bytes | None:
        """Return the value of `KEY-data`, or else the content of the file of `KEY`."""
        data = self.data(f"{key}-data")
        if data is not None:
            return data
        path = self.file(key)
        return path.read_bytes() if path else None


@dataclass(frozen=True)
class Document:
    """A kubeconfig file."""

    path: Path
    values: Mapping[str, Any] = field(repr=False)

    def context(self, name: str | None) -> tuple[str, Entry]:
        """Return the context of this name, or else the current one, after its name."""
        chosen = name or self._root().text("current-context")
        if chosen is None:
            raise Failed(
                f"{self.path}: no current-context: expected one, or --context with one of "
                f"{_listed(self._named('contexts'))}"
            )
        return chosen, self.entry("contexts", "context", chosen)

    def entry(self, section: str, word: str, name: str) -> Entry:
        """Return an item of `contexts`, `clusters` or `users` by its name."""
        found = self._named(section)
        if name not in found:
            raise Failed(f'{self.path}: no {word} "{name}": expected one of {_listed(found)}')
        values = found[name].get(word)
        values = {} if values is None else values
        location = f'{self.path}: {word} "{name}"'
        if not isinstance(values, dict):
            raise Failed(f"{location}: expected a mapping under the key {word}")
        return Entry(location, self.path.parent, values)

    def _root(self) -> Entry:
        return Entry(str(self.path), self.path.parent, self.values)

    def _named(self, section: str) -> dict[str, Mapping[str, Any]]:
        listed = self.values.get(section)
        if listed is None:
            return {}
        if not isinstance(listed, list) or not all(_is_named(each) for each in listed):
            raise Failed(f"{self.path}: {section}: expected a list of mappings, each with a name")
        found = {each.get("name") or "": each for each in listed}
        if len(found) < len(listed):
            raise Failed(f"{self.path}: {section}: expected each name once")
        return found


def read(path: Path) -> Document:
    """Read a kubeconfig file without checking its values. Like kubectl, use the first document."""
    expected = "a kubeconfig, as `kubectl config view --raw --flatten` prints it"
    content = _read(path, str(path), expected)
    try:
        values = next(yaml.load_all(content, _Loader), None)
    except yaml.MarkedYAMLError as error:
        # The parser's message is not shown, because it may quote a token from the file.
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise Failed(f"{path}: neither YAML nor JSON{line}: expected {expected}") from None
    except (yaml.YAMLError, RecursionError):
        raise Failed(f"{path}: neither YAML nor JSON: expected {expected}") from None
    if not isinstance(values, dict) or values.get("kind") not in (None, "", "Config"):
        raise Failed(f"{path}: no mapping with `kind: Config`: expected {expected}")
    return Document(path, values)


def _read(path: Path, location: str, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid file name"
        file = "" if location == str(path) else f" {path}"
        raise Failed(f"{location}:{file} {reason}: expected {expected}") from error


def _is_named(each: Any) -> bool:
    # Like kubectl, accept an item without a name, which no context can refer to.
    return isinstance(each, dict) and isinstance(each.get("name"), str | None)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "the names in the file, which has none"
