"""Label and field selectors: parsing, with the API server's syntax errors, and matching."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.names import label_key_faults, label_value_faults
from deploy.sandbox.kubernetes.statuses import bad_request, quoted

Labels = dict[str, str]

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_SPECIAL = {"==", "!=", "=", "!", "(", ")", ",", "<", ">", ""}
_OPERATORS = {"in", "notin", "=", "==", "!=", ">", "<"}


class SyntaxFault(Exception):
    """A syntax error in a selector, with the API server's message."""


@dataclass(frozen=True)
class Requirement:
    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "in" | "=" | "==":
                return value in self.values
            case "notin" | "!=":
                return value not in self.values
        return value is not None and _compares(value, self.operator, next(iter(self.values)))


def _compares(value: str, operator: str, bound: str) -> bool:
    if not re.fullmatch(r"-?\d+", value):
        return False
    return int(value) > int(bound) if operator == ">" else int(value) < int(bound)


class _Parser:
    """A parser of label selectors; an empty token is the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_TOKEN.findall(text), ""]
        self._at = 0

    def peek(self) -> str:
        token: str = self._tokens[min(self._at, len(self._tokens) - 1)]
        return token

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self.peek():
            if self.peek() in _SPECIAL - {"!"}:
                raise SyntaxFault(
                    f"found '{self.peek()}', expected: !, identifier, or 'end of string'"
                )
            found.append(self._requirement())
            self._separator()
        return found

    def _separator(self) -> None:
        separator = self.take()
        if separator not in {",", ""}:
            raise SyntaxFault(f"found '{separator}', expected: ',' or 'end of string'")
        if separator and self.peek() in _SPECIAL - {"!"}:
            raise SyntaxFault(f"found '{self.peek()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        try:
            return self._checked(self._raw_requirement())
        except SyntaxFault as fault:
            raise SyntaxFault(f"unable to parse requirement: {fault}") from fault

    def _raw_requirement(self) -> Requirement:
        token = self.take()
        absent = token == "!"
        key = self.take() if absent else token
        if key in _SPECIAL:
            raise SyntaxFault(f"found '{key}', expected: identifier")
        for why in label_key_faults(key):
            raise SyntaxFault(f"<nil>: Invalid value: {quoted(key)}: {why}")
        if absent or self.peek() in {"", ","}:
            return Requirement(key, "!" if absent else "exists")
        operator = self.take()
        if operator not in _OPERATORS:
            raise SyntaxFault(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        listed = operator in {"in", "notin"}
        return Requirement(key, operator, self._values() if listed else self._value())

    def _values(self) -> frozenset[str]:
        opening = self.take()
        if opening != "(":
            raise SyntaxFault(f"found '{opening}' expected: '('")
        if self.peek() in _SPECIAL - {",", ")"}:
            raise SyntaxFault(f"found '{self.peek()}', expected: ',', ')' or identifier")
        values, current = set[str](), ""
        while (token := self.take()) not in _SPECIAL - {","}:
            if token == ",":
                values.add(current)
                current = ""
            else:
                current = token
        if token != ")":
            raise SyntaxFault(f"found '{token}', expected: ')'")
        return frozenset(values | {current})

    def _value(self) -> frozenset[str]:
        if self.peek() in {"", ","}:
            return frozenset({""})
        value = self.take()
        if value in _SPECIAL:
            raise SyntaxFault(f"found '{value}', expected: identifier")
        return frozenset({value})

    @staticmethod
    def _checked(requirement: Requirement) -> Requirement:
        for position, value in enumerate(sorted(requirement.values)):
            if requirement.operator in {"<", ">"} and not re.fullmatch(r"-?\d+", value):
                raise SyntaxFault(
                    f"values[{position}]: Invalid value: {quoted(value)}: for 'Gt', 'Lt' "
                    "operators, the value must be an integer"
                )
            for why in label_value_faults(value):
                raise SyntaxFault(
                    f"values[{position}][{requirement.key}]: Invalid value: {quoted(value)}: {why}"
                )
        return requirement


def parse_labels(text: str) -> list[Requirement]:
    try:
        return _Parser(text).requirements()
    except SyntaxFault as fault:
        raise bad_request(str(fault)) from fault


def matches_labels(requirements: list[Requirement], labels: Labels) -> bool:
    return all(requirement.matches(labels) for requirement in requirements)


def parse_fields(text: str, kind: Kind) -> Callable[[Object], bool]:
    """Return a predicate for `fieldSelector`; refuse fields that the kind does not support."""
    terms = [_field_term(part, text, kind) for part in text.split(",") if part]
    return lambda obj: all((_field(obj, path) == value) is wanted for path, value, wanted in terms)


def _field_term(part: str, text: str, kind: Kind) -> tuple[str, str, bool]:
    split = re.fullmatch(r"([^=!]*)(!=|==|=)(.*)", part)
    if split is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
    path, operator, value = split.groups()
    if path not in {"metadata.name", "metadata.namespace", *kind.selectable}:
        if kind.custom or kind.selectable:
            raise bad_request(f"field label not supported: {path}")
        raise bad_request(
            f'{quoted(path)} is not a known field selector: only "metadata.name", '
            '"metadata.namespace"'
        )
    return path, value, operator != "!="


def _field(obj: Object, path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value) if value is not None else ""


def selects(selector: Object | None, labels: Labels) -> bool:
    """Return True if a controller's selector, in either form, matches the labels."""
    if not selector:
        return False
    # The selector of a ReplicationController is a map of labels.
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return all(labels.get(key) == value for key, value in selector.items())
    equal = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in equal.items()) and all(
        _expression(term).matches(labels) for term in selector.get("matchExpressions") or []
    )


OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _expression(term: Object) -> Requirement:
    values = frozenset(term.get("values") or ())
    return Requirement(term.get("key", ""), OPERATORS.get(term.get("operator", ""), "in"), values)


def selector_text(selector: Object | None) -> str:
    """Return a selector as text, as in `status.selector` of a Scale."""
    if not selector:
        return ""
    flat = "matchLabels" not in selector and "matchExpressions" not in selector
    equal = selector if flat else selector.get("matchLabels") or {}
    terms = [f"{key}={value}" for key, value in sorted(equal.items())]
    return ",".join(
        terms + [_term(t) for t in ([] if flat else selector.get("matchExpressions") or [])]
    )


def _term(term: Object) -> str:
    values = ",".join(sorted(term.get("values") or []))
    match term.get("operator"):
        case "In":
            return f"{term['key']} in ({values})"
        case "NotIn":
            return f"{term['key']} notin ({values})"
        case "Exists":
            return str(term["key"])
    return f"!{term['key']}"
