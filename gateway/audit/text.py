"""Commands and records of the audit as text for people; no I/O."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts.api import OPERATIONS
from contracts.outcomes import Outcome, Result

COLOURS: dict[str, str] = {
    Result.STARTED: "cyan",
    Result.DONE: "green",
    Result.FAILED: "red",
    Result.DEAD: "red",
    Result.UNKNOWN: "yellow",
    Result.EXPIRED: "yellow",
    Result.REFUSED: "yellow",
    Result.SUPERSEDED: "blue",
}


def clock(moment: datetime | None) -> str:
    """Return a time in UTC, to the millisecond."""
    if moment is None:
        return "-"
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def requester(outcome: Outcome) -> str:
    """Return the requester, and the broker user if that is another."""
    names = dict.fromkeys(name for name in (outcome.requested_by, outcome.user) if name)
    return " via ".join(names) or "-"


def reason(outcome: Outcome) -> str | None:
    """Return why a command failed or was not executed."""
    if outcome.superseded_by:
        return f"superseded by {outcome.superseded_by}"
    return f"{outcome.fault.code}: {outcome.fault.message}" if outcome.fault else None


def what(outcome: Outcome) -> str:
    """Return what a command did, or should have done: the operation, the changes, the reason."""
    operation = OPERATIONS.get(outcome.operation)
    is_clear = operation is not None and operation.row.access == "scale"
    changes = ", ".join(changes_of(outcome))
    name = "" if is_clear and changes else outcome.operation
    replay = "(replay)" if outcome.request and outcome.request.replay_of else ""
    text = " ".join(part for part in (name, changes, replay) if part)
    return " - ".join(part for part in (text, reason(outcome)) if part)


def changes_of(outcome: Outcome) -> list[str]:
    """Return the changed members of the state as `name: old → new`, else what was requested."""
    before, after = _flat(outcome.before), _flat(outcome.after)
    # `running` follows from the rest, and is usually the same: the platform has just begun.
    names = [name for name in dict.fromkeys([*before, *after]) if name != "running"]
    changed = [
        f"{name} {before[name]} → {after.get(name, '')}".rstrip()
        if name in before
        else f"{name} → {after[name]}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    if changed:
        return changed
    if outcome.after is not None:
        return ["no change"]
    return [f"{name} → {value}" for name, value in _flat(_requested(outcome)).items()]


def state_text(state: dict[str, Any]) -> str:
    """Return a state as `name value, …`."""
    return ", ".join(f"{name} {value}" for name, value in _flat(state).items())


def value_text(value: Any) -> str:
    """Return a member of a state; an absent value is `none`."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return " ".join(f"{key}={value_text(each)}" for key, each in value.items()) or "none"
    return _text(value)


def _requested(outcome: Outcome) -> dict[str, Any]:
    """Return replicas, labels and images of a request."""
    request = outcome.request
    if request is None:
        return {}
    if request.summary is not None:
        summary: dict[str, Any] = msgspec.to_builtins(request.summary)
        return {name: summary[name] for name in ("replicas", "labels", "images") if name in summary}
    body = request.body if isinstance(request.body, dict) else {}
    return {name: body[name] for name in ("replicas", "labels") if name in body}


def _flat(state: Any) -> dict[str, str]:
    """Return the members of a state as text; labels and other objects by their members."""
    return dict(_members(state)) if isinstance(state, dict) else {}


def _members(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in state.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", _text(each)) for key, each in value.items())
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value)) or "none"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
