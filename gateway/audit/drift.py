"""The difference between an audited state and the state of a platform; no I/O."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from gateway.audit.states import State

PLATFORMS_OWN = "aws:"
"""The prefix of the labels that a platform sets."""


class Kind(StrEnum):
    """The kinds of drift."""

    REPLICAS = "replicas"
    IMAGES = "images"
    LABELS = "labels"
    PORTS = "ports"
    HOSTNAMES = "hostnames"
    RULES = "rules"
    BACKENDS = "backends"
    DELETED = "deleted"
    NOT_DELETED = "not-deleted"
    DELETING = "deleting"
    FOREIGN = "foreign"


class Found(Struct, frozen=True, kw_only=True):
    """The platform's state of an address: members as in the audit, None if nothing exists.

    A member that the platform does not tell is absent. `unknown` is why nothing is known.
    """

    members: dict[str, Any] | None = None
    deleting: bool = False
    unknown: str | None = None


class Drift(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One difference: what the audit has, and what the platform has.

    `uncertain` is the id of a later command that may be its cause: its effect is not known.
    """

    provider: str
    address: str
    kind: Kind
    expected: Any = None
    found: Any = None
    uncertain: str | None = None


def drifts(state: State, found: Found) -> list[Drift]:
    """Return the differences at an address; an absent machine is none: machines come and go."""
    if found.unknown is not None or (state.exists is None and state.uncertain is None):
        return []

    def drift(kind: Kind, expected: Any = None, got: Any = None) -> Drift:
        return Drift(
            provider=state.provider,
            address=state.address,
            kind=kind,
            expected=expected,
            found=got,
            uncertain=state.uncertain,
        )

    if found.members is None:
        is_missing = state.exists and state.collection != "machines"
        return [drift(Kind.DELETED, state.members)] if is_missing else []
    if not state.exists:
        is_left = state.exists is False and not found.deleting
        return [drift(Kind.NOT_DELETED, None, found.members)] if is_left else []
    if found.deleting:
        return [drift(Kind.DELETING, state.members)]
    return [drift(*each) for each in _members(state, found.members)]


def unchecked(state: State, found: Found) -> str | None:
    """Return why an address was not compared, None if it was."""
    if found.unknown is not None:
        return found.unknown
    if state.exists is None:
        return "no record has its state"
    return None


def _members(state: State, found: Mapping[str, Any]) -> list[tuple[Kind, Any, Any]]:
    """Return kind, expected and found value of each member that differs."""
    known = [name for name in state.members if name in found and name not in state.shortened]
    if "rules" in known and "backends" in known:
        known.remove("backends")  # the rules name them
    differences = []
    for name in known:
        expected, got = state.members[name], found[name]
        if name == "labels":
            expected, got = _labels(expected, got, only_named=state.collection == "machines")
        if _differs(name, expected, got):
            differences.append((Kind(name), expected, got))
    return differences


def _differs(name: str, expected: Any, got: Any) -> bool:
    if not isinstance(expected, list) or not isinstance(got, list):
        return bool(expected != got)
    if name == "images":
        # The platform tells the image of the main container of each machine.
        return not set(got) <= set(expected)
    return sorted(expected) != sorted(got)


def _labels(expected: Any, got: Any, *, only_named: bool) -> tuple[Any, Any]:
    """Return the labels that differ; None for an absent one."""
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return expected, got
    names = expected.keys() if only_named else dict.fromkeys([*expected, *got])
    differing = [
        name
        for name in names
        if expected.get(name) != got.get(name) and not name.startswith(PLATFORMS_OWN)
    ]
    return (
        {name: expected.get(name) for name in differing},
        {name: got.get(name) for name in differing},
    )
