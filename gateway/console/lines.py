"""Entries as lines: of text for people, of JSON for programs; no I/O."""

from datetime import datetime
from typing import Any

import msgspec

from contracts.outcomes import Outcome
from contracts.printable import printable, printable_json
from contracts.requests import Request
from gateway.console.entries import Dead

NO_TIME = "---------- ------------"
"""As long as a time."""
WORD = 10
"""As wide as the longest result."""


def json_line(entry: Outcome | Dead) -> str:
    """The entry as one JSON object; only outcomes have a `result`, only the dead a `reason`."""
    return printable_json(msgspec.json.encode(entry).decode())


def dead_line(dead: Dead) -> str:
    """`time id key operation`, who published it, and why it can never be run."""
    return _line(
        _time(dead.asked),
        dead.id,
        dead.key,
        dead.operation,
        _by(dead.user, None),
        f"in {dead.queue}" if dead.queue else None,
        f"- {dead.reason}",
    )


def outcome_line(outcome: Outcome) -> str:
    """`time result id provider address operation`, and what else is known."""
    changed = _change(_fields(outcome.before), _fields(outcome.after))
    return _line(
        _time(outcome.finished or outcome.started or outcome.asked),
        outcome.result.ljust(WORD),
        outcome.id,
        outcome.provider,
        outcome.address,
        outcome.operation,
        changed or _change({}, _asked_replicas(outcome.request)),
        _by(outcome.requested_by, outcome.user),
        f"status {outcome.status}" if outcome.status is not None else None,
        f"superseded by {outcome.superseded_by}" if outcome.superseded_by else None,
        f"repeats {outcome.repeats}" if outcome.repeats else None,
        f"- {outcome.fault.code}: {outcome.fault.message}" if outcome.fault else None,
    )


def _line(*parts: str | None) -> str:
    return printable(" ".join(part for part in parts if part))


def _time(moment: datetime | None) -> str:
    """In UTC and always as long, so that lines sort."""
    if moment is None:
        return NO_TIME
    return moment.isoformat(" ", "milliseconds").removesuffix("+00:00")


def _by(who: str | None, user: str | None) -> str | None:
    names = dict.fromkeys(name for name in (who, user) if name)
    return f"by {' via '.join(names)}" if names else None


def _asked_replicas(request: Request | None) -> dict[str, Any]:
    """The replicas that a request names."""
    fields = {} if request is None else _fields(request.body)
    return {"replicas": fields["replicas"]} if "replicas" in fields else {}


def _fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _change(before: dict[str, Any], after: dict[str, Any]) -> str:
    """`replicas 3 → 5`, for each field."""
    names = dict.fromkeys([*before, *after])
    changes = (_line(name, _short(before, name), "→", _short(after, name)) for name in names)
    return ", ".join(changes)


def _short(fields: dict[str, Any], name: str) -> str | None:
    return msgspec.json.encode(fields[name]).decode() if name in fields else None
