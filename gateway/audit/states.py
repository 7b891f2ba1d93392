"""The state in which the audited commands left each address; no I/O."""

from typing import Any

from msgspec import Struct

from contracts.outcomes import Outcome, Result
from gateway.audit.commands import Command

MEMBERS = ("replicas", "images", "labels", "ports", "hostnames", "rules", "backends")
"""The members of `after` that a platform can be asked for."""

INDEFINITE = frozenset({500, 502, 504})
"""The statuses of a failed command that may have had an effect."""

Address = tuple[str, str]
"""A provider and an address."""


class State(Struct, kw_only=True):
    """The audited state of an address.

    `exists` is None before the first known state. `shortened` are members that the audit has in
    part. `uncertain` is the id of a later command whose effect is not known. `position` is that of
    the last command with a known effect. `last_labels` are kept after a deletion.
    """

    provider: str
    address: str
    scope: str
    name: str
    exists: bool | None = None
    members: dict[str, Any] = {}
    shortened: frozenset[str] = frozenset()
    uncertain: str | None = None
    position: int = -1
    last_labels: dict[str, str] = {}

    @property
    def collection(self) -> str:
        """The first word of the address."""
        return self.address.partition(".")[0]

    def add(self, command: Command) -> None:
        """Add a command on this address."""
        if command.requested:
            self.scope = command.requested.scope or self.scope
            self.name = command.requested.name or self.name
        if command.position < self.position:
            return
        if _is_uncertain(command):
            self.uncertain = command.outcome.id
        elif (after := _effect(command.outcome)) is not None:
            self.position, self.uncertain = command.position, None
            self._set(after)

    def _set(self, after: dict[str, Any]) -> None:
        if after.get("changed") is False:
            return
        if after.get("exists") is False or after.get("deleting"):
            self.exists, self.members, self.shortened = False, {}, frozenset()
            return
        known = {name: after[name] for name in MEMBERS if name in after}
        if self.collection == "machines" and isinstance(known.get("labels"), dict):
            known["labels"] = self.members.get("labels", {}) | known["labels"]
        self.exists, self.members = True, self.members | known
        self.last_labels = self.members.get("labels") or {}
        shortened = after.get("shortened")
        names = frozenset(map(str, shortened)) if isinstance(shortened, list) else frozenset()
        self.shortened = (self.shortened - known.keys()) | names


class States:
    """The states of all addresses, from commands in the order of the stream."""

    def __init__(self) -> None:
        self.all: dict[Address, State] = {}

    def add(self, command: Command) -> State:
        """Add a command, and return the state of its address."""
        outcome = command.outcome
        key = (outcome.provider, outcome.address)
        if key not in self.all:
            _, scope, name, *_ = f"{outcome.address}..".split(".")
            self.all[key] = State(
                provider=outcome.provider, address=outcome.address, scope=scope, name=name
            )
        self.all[key].add(command)
        return self.all[key]


def _is_uncertain(command: Command) -> bool:
    """Tell whether a command may have had an effect that no record has."""
    outcome = command.outcome
    match outcome.result:
        case Result.STARTED | Result.UNKNOWN:
            return True
        case Result.DEAD:
            return command.was_started
        case Result.FAILED:
            return outcome.after is None and outcome.status in INDEFINITE
        case Result.DONE:
            return outcome.after is None and not outcome.repeats
        case _:
            return False


def _effect(outcome: Outcome) -> dict[str, Any] | None:
    """Return the recorded state after a command, None for a command without an effect."""
    is_run = outcome.result in (Result.DONE, Result.FAILED) and not outcome.repeats
    return outcome.after if is_run and isinstance(outcome.after, dict) else None
