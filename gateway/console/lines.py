"""Entries as lines of text or of JSON; no I/O."""

from datetime import datetime
from typing import Any

import msgspec

from contracts.outcomes import Outcome
from contracts.printable import printable, printable_json
from contracts.requests import Request
from gateway.console.entries import DeadLetter

NO_TIME = "---------- ------------"
"""A placeholder with the width of a time."""
RESULT_WIDTH = 10
"""The width of the longest result."""


def json_line(entry: Outcome | DeadLetter) -> str:
    """Return an entry as a JSON object: an outcome has a `result`, a dead letter a `reason`."""
    return printable_json(msgspec.json.encode(entry).decode())


def dead_line(dead: DeadLetter) -> str:
    """Return `time id key operation`, the publisher, the queue and the reason."""
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
    """Return `time result id provider address operation`, and the optional fields."""
    changed = _change(_fields(outcome.before), _fields(outcome.after))
    return _line(
        _time(outcome.finished or outcome.started or outcome.asked),
        outcome.result.ljust(RESULT_WIDTH),
        outcome.id,
        outcome.provider,
        outcome.address,
        outcome.operation,
        changed or _change({}, _requested_replicas(outcome.request)),
        _by(outcome.requested_by, outcome.user),
        f"status {outcome.status}" if outcome.status is not None else None,
        f"superseded by {outcome.superseded_by}" if outcome.superseded_by else None,
        f"repeats {outcome.repeats}" if outcome.repeats else None,
        f"- {outcome.fault.code}: {outcome.fault.message}" if outcome.fault else None,
    )


def _line(*parts: str | None) -> str:
    return printable(" ".join(part for part in parts if part))


def _time(moment: datetime | None) -> str:
    """Format a time in UTC with a fixed width, so that lines sort."""
    if moment is None:
        return NO_TIME
    return moment.isoformat(" ", "milliseconds").removesuffix("+00:00")


def _by(requester: str | None, user: str | None) -> str | None:
    names = dict.fromkeys(name for name in (requester, user) if name)
    return f"by {' via '.join(names)}" if names else None


def _requested_replicas(request: Request | None) -> dict[str, Any]:
    fields = {} if request is None else _fields(request.body)
    return {"replicas": fields["replicas"]} if "replicas" in fields else {}


def _fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _change(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return `replicas 3 → 5` for each field."""
    names = dict.fromkeys([*before, *after])
    changes = (_line(name, _short(before, name), "→", _short(after, name)) for name in names)
    return ", ".join(changes)


def _short(fields: dict[str, Any], name: str) -> str | None:
    return msgspec.json.encode(fields[name]).decode() if name in fields else None
