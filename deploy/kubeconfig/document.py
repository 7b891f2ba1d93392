"""A kubeconfig file as it is written: its clusters, users and contexts, each found by its name."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.failed import Failed

# kubectl's own parser is a port of libyaml, which takes tabs where YAML in Python does not.
Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(Base):  # type: ignore[misc]  # either of two classes, which are not typed alike
    """Reads only truths, nulls and merges as such, all else as text: a token of digits is text."""


_KNOWN = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KNOWN]
    for first, resolvers in Base.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Entry:
    """One part of the file; `place` leads a reader to it. Values are secrets: never shown whole."""

    place: str
    folder: Path
    values: Mapping[str, Any] = field(repr=False)

    def has(self, key: str) -> bool:
        return self.values.get(key) not in (None, "")

    def text(self, key: str) -> str | None:
        """The value of a key, None when it is absent or empty."""
        if not self.has(key):
            return None
        value = self.values[key]
        if not isinstance(value, str):
            raise Failed(f"{self.place}: {key}: expected text (the value is not shown)")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if not isinstance(value, bool | None):
            raise Failed(f"{self.place}: {key}: expected true or false")
        return bool(value)

    def file(self, key: str) -> Path | None:
        """The file that a key names, relative to the kubeconfig's folder; it can be read."""
        name = self.text(key)
        if name is None:
            return None
        path = self.folder / name
        _read(path, f"{self.place}: {key}", "a file that can be read")
        return path

    def data(self, key: str) -> bytes | None:
        """What a `-data` key holds, decoded."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            # Without its cause, which would hold the value in a traceback.
            raise Failed(f"{self.place}: {key}: expected base64 (it is not shown)") from None

    def content(self, key: str) -> bytes | None:
        """What `KEY-data` holds, or else the file that `KEY` names."""
        data = self.data(f"{key}-data")
        if data is not None:
            return data
        path = self.file(key)
        return path.read_bytes() if path else None


@dataclass(frozen=True)
class Document:
    """The whole file."""

    path: Path
    values: Mapping[str, Any] = field(repr=False)

    def context(self, name: str | None) -> tuple[str, Entry]:
        """The context of this name, or the current one, and its name."""
        chosen = name or self._whole().text("current-context")
        if chosen is None:
            raise Failed(
                f"{self.path}: no current-context: expected one, or --context with one of "
                f"{_listed(self._named('contexts'))}"
            )
        return chosen, self.entry("contexts", "context", chosen)

    def entry(self, section: str, word: str, name: str) -> Entry:
        """The part that `contexts`, `clusters` or `users` has under this name."""
        found = self._named(section)
        if name not in found:
            raise Failed(f'{self.path}: no {word} "{name}": expected one of {_listed(found)}')
        values = found[name].get(word)
        values = {} if values is None else values
        place = f'{self.path}: {word} "{name}"'
        if not isinstance(values, dict):
            raise Failed(f"{place}: expected a mapping under the key {word}")
        return Entry(place, self.path.parent, values)

    def _whole(self) -> Entry:
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
    """The file, which has the shape of a kubeconfig; what it says is not checked yet.

    Of several documents in the file kubectl reads the first, and so does this.
    """
    expected = "a kubeconfig, as `kubectl config view --raw --flatten` prints it"
    content = _read(path, str(path), expected)
    try:
        values = next(yaml.load_all(content, _Loader), None)
    except yaml.MarkedYAMLError as error:
        # The parser's own words may quote the file, and with it a token.
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise Failed(f"{path}: neither YAML nor JSON{line}: expected {expected}") from None
    except (yaml.YAMLError, RecursionError):
        raise Failed(f"{path}: neither YAML nor JSON: expected {expected}") from None
    if not isinstance(values, dict) or values.get("kind") not in (None, "", "Config"):
        raise Failed(f"{path}: no mapping with `kind: Config`: expected {expected}")
    return Document(path, values)


def _read(path: Path, place: str, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file has such a name"
        where = "" if place == str(path) else f" {path}"
        raise Failed(f"{place}:{where} {reason}: expected {expected}") from error


def _is_named(each: Any) -> bool:
    # kubectl does without a name where no context needs it.
    return isinstance(each, dict) and isinstance(each.get("name"), str | None)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "those of the file, which has none"
