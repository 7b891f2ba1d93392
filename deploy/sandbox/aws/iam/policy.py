"""An identity-based policy: its statements decide which checks pass. Pure.

Source: IAM User Guide, "IAM JSON policy elements reference" and "Policy evaluation logic".
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

Json = dict[str, Any]
Keys = Mapping[str, tuple[str, ...]]

VERSION = "2012-10-17"
KNOWN = {"Sid", "Effect", "Action", "Resource", "Condition"}
PLACEHOLDER = re.compile(r"\$\{([A-Za-z:]+)\}")
ALL_VALUES = "ForAllValues:"
EXACT = {"StringEquals", "ArnEquals"}
PATTERNS = {"StringLike", "ArnLike"}


class Check(Struct, frozen=True):
    """One right that AWS checks for a request: an action on a resource.

    The resource of an action without resource types is `*`. `keys` are the condition keys that the
    request has, with their values.
    """

    action: str
    resource: str = "*"
    keys: Keys = {}  # msgspec copies it for each struct

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


class Condition(Struct, frozen=True):
    """A comparison of the values of a condition key."""

    operator: str
    key: str
    expected: tuple[str, ...]

    def holds(self, keys: Keys) -> bool:
        """Compare; a key that the request lacks holds for `ForAllValues:` alone."""
        values = keys.get(self.key, ())
        matching = [any(self._equal(each, value) for each in self.expected) for value in values]
        if self.operator.startswith(ALL_VALUES):
            return all(matching)
        return any(matching)

    def _equal(self, expected: str, value: str) -> bool:
        if self.operator.removeprefix(ALL_VALUES) in EXACT:
            return expected == value
        return matches(expected, value)


class Right(Struct, frozen=True):
    """One action on one resource pattern, with the conditions of its statement."""

    sid: str
    action: str
    resource: str
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return f"{self.sid}: {self.action} on {self.resource}"

    def allows(self, check: Check) -> bool:
        """Return whether this right alone is sufficient for a check."""
        return (
            self.action == check.action
            and matches(self.resource, check.resource)
            and all(each.holds(check.keys) for each in self.conditions)
        )


class Policy(Struct, frozen=True):
    """The rights of an identity; everything else is denied."""

    rights: tuple[Right, ...]

    def allows(self, check: Check) -> bool:
        """Return whether some right is sufficient for a check."""
        return any(each.allows(check) for each in self.rights)

    def unknown_keys(self, check: Check) -> list[str]:
        """Return the condition keys of all rights that a check does not contain, as IAM does."""
        keys = (each.key for right in self.rights for each in right.conditions)
        return sorted(set(keys) - check.keys.keys())

    def without(self, right: Right) -> "Policy":
        """Return the policy without one right."""
        return Policy(tuple(each for each in self.rights if each != right))


def read(document: Json) -> Policy:
    """Return the policy of a document; ValueError for anything that this module does not know."""
    if document.keys() != {"Version", "Statement"} or document["Version"] != VERSION:
        raise ValueError(f"expected a policy of the version {VERSION} with a list of statements")
    return Policy(tuple(right for each in document["Statement"] for right in _rights(each)))


def load(file: Path) -> Json:
    """Return the policy document of a file, with its placeholders."""
    document: Json = json.loads(file.read_text())
    return document


def filled(document: Json, values: Mapping[str, str]) -> Json:
    """Replace placeholders such as `${Cluster}`; KeyError if a value is missing."""
    text = PLACEHOLDER.sub(lambda found: values[found[1]], json.dumps(document))
    replaced: Json = json.loads(text)
    return replaced


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in re.split(r"([*?])", text))
    return re.compile("".join(parts).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Compare with IAM's wildcards: `*` for any text, `?` for any character."""
    return _pattern(pattern).fullmatch(text) is not None


def _rights(statement: Json) -> Iterator[Right]:
    unknown = statement.keys() - KNOWN
    if unknown or statement["Effect"] != "Allow":
        raise ValueError(f"a statement that is not understood: {statement}")
    conditions = tuple(_conditions(statement.get("Condition", {})))
    for action in listed(statement["Action"]):
        for resource in listed(statement["Resource"]):
            yield Right(statement.get("Sid", ""), action, resource, conditions)


def _conditions(tests: Mapping[str, Mapping[str, Any]]) -> Iterator[Condition]:
    for operator, keys in tests.items():
        if operator.removeprefix(ALL_VALUES) not in EXACT | PATTERNS:
            raise ValueError(f"an operator that is not understood: {operator}")
        for key, expected in keys.items():
            yield Condition(operator, key, tuple(listed(expected)))


def listed(value: str | list[str]) -> list[str]:
    """Return the elements of a list, or of a single value."""
    return [value] if isinstance(value, str) else value
