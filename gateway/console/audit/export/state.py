"""The progress of an export, and the check that the next export continues it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from contracts.wire import Message
from gateway.audit.filters import Filters
from gateway.console.failures import Failure


class Record(msgspec.Struct, frozen=True):
    """The identity of an audit message, by which another stream is noticed."""

    message_id: str
    timestamp: int | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a checkpoint.

    `next` is the offset of the first record that was not read, None before the first one; `last` is
    the record before it. `size` is that of the output file, `exported` the number of all
    records that were exported, `missing` the number of those that the stream removed before, and of
    which the user was not yet told.
    """

    format: str
    filters: Filters
    next: int | None = None
    last: Record | None = None
    size: int = 0
    exported: int = 0
    missing: int = 0


def record_of(message: Message) -> Record:
    """Return the identity of a message."""
    return Record(message.message_id, message.timestamp)


def begun(saved: State | None, asked: State, to: Path | None) -> State:
    """Return the state with which an export begins, from the one in its checkpoint.

    Raises Failure if the options, or the file, are not those of the checkpoint.
    """
    if saved is None:
        if to is not None and _has_content(to):
            raise Failure(f"{to} exists and has no checkpoint: remove it, or name another file")
        return asked
    state = continued(saved, asked)
    if to is None or state.format == "parquet":
        return state
    size = to.stat().st_size if to.exists() else 0
    if 0 < size < state.size:
        raise Failure(
            f"{to} has {size} bytes, at the checkpoint it had {state.size}: restore it, or move it "
            "away, so that a file with the next records is begun"
        )
    return state if size else msgspec.structs.replace(state, size=0)


def continued(saved: State, asked: State) -> State:
    """Return the state of a checkpoint if an export with these options may continue it.

    Its `since` stays: `--since 1d` is another time at each run, and a record between two runs would
    be left out. Raises Failure with what differs.
    """
    differences = [
        f"{name} was {_text(old)} and is {_text(new)}"
        for name, old, new in _differences(saved, asked)
    ]
    if not differences:
        return saved
    if saved.next is None:
        return asked  # nothing was exported
    raise Failure(
        f"the checkpoint is of another export: {'; '.join(differences)}. Repeat the options, or "
        "name another file"
    )


def _differences(saved: State, asked: State) -> Iterator[tuple[str, object, object]]:
    """Yield the options that differ, with both values."""
    if saved.format != asked.format:
        yield "--format", saved.format, asked.format
    for field in msgspec.structs.fields(Filters):
        old, new = getattr(saved.filters, field.name), getattr(asked.filters, field.name)
        is_same = _is_within(new, old) if field.name == "since" else new == old
        if not is_same:
            yield ("--result" if field.name == "results" else f"--{field.name}"), old, new


def another_stream(reason: str) -> Failure:
    """Return the failure of an export that continues on another stream than it began."""
    return Failure(
        f"machinist.audit is not the stream of the last export: {reason}. It was deleted and "
        "declared again; export it to another file"
    )


def _is_within(new: datetime | None, old: datetime | None) -> bool:
    """Tell whether the records since `new` are among those since `old`."""
    return old is None or (new is not None and new >= old)


def _text(value: object) -> str:
    if value is None or value == frozenset():
        return "nothing"
    return " ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def _has_content(to: Path) -> bool:
    return any(to.iterdir()) if to.is_dir() else to.exists() and to.stat().st_size > 0
