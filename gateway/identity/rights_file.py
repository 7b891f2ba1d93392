"""Reads the file of PLT_AUTH_RIGHTS; an error names the place, the expected and the received value.

JSON, because editors check it against a JSON schema, Helm writes it from values, and its parser is
the one that reads all other input of a gateway.
"""

from typing import Any, get_args

import msgspec

from contracts.checks.members import require_known
from contracts.checks.validation import checked, show
from contracts.faults import Fault
from contracts.operation import Access
from gateway.identity.rights import ProviderPattern, Rights, RightsDocument, ScopePattern, Who
from gateway.identity.watched_file import InvalidFile

CLASSES = get_args(Access)
LISTS = {"providers": ProviderPattern, "scopes": ScopePattern, "classes": None}
WHO = ("subjects", "groups")


def parse(content: bytes) -> Rights:
    """Return the rights in a file; raise InvalidFile."""
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise InvalidFile(f"expected JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise InvalidFile(f"expected an object with a list `rules`, got {show(document)}")
    try:
        require_known(document, RightsDocument, "document")
        for number, rule in enumerate(document["rules"]):
            _check(rule, f"rules[{number}]")
        return Rights(msgspec.convert(document, RightsDocument).rules)
    except Fault as fault:
        raise InvalidFile(fault.message) from fault
    except msgspec.ValidationError as error:
        raise InvalidFile(str(error)) from error


def _check(rule: Any, where: str) -> None:
    if not isinstance(rule, dict):
        raise InvalidFile(f"{where}: expected an object, got {show(rule)}")
    for name, expected in LISTS.items():
        for number, entry in enumerate(_entries(rule, name, where)):
            place = f"{where}.{name}[{number}]"
            if expected is not None:
                checked(entry, expected, place)
            elif entry not in CLASSES:
                raise InvalidFile(
                    f"{place}: expected one of {', '.join(CLASSES)}, got {show(entry)}"
                )
    named = [name for name in WHO if name in rule]
    if not named:
        raise InvalidFile(f"{where}: expected `subjects`, `groups` or both, got neither")
    for name in named:
        for number, entry in enumerate(_entries(rule, name, where)):
            checked(entry, Who, f"{where}.{name}[{number}]")


def _entries(rule: dict[str, Any], name: str, where: str) -> list[Any]:
    entries = rule.get(name)
    if not isinstance(entries, list) or not entries:
        got = show(entries) if name in rule else "nothing"
        raise InvalidFile(f"{where}.{name}: expected a list with at least one entry, got {got}")
    return entries
