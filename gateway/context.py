"""The context of a request: command id, requester, trace context and idempotency key."""

import re
from typing import Any

from litestar import Request
from msgspec import Struct

from contracts.checks.validation import show
from contracts.faults import Code, Fault
from contracts.observation import trace_context, traces
from contracts.observation.trace_context import TraceContext
from contracts.operation import Row
from contracts.records.command_ids import new_command_id
from contracts.wire import (
    HEADER_IDEMPOTENCY_KEY,
    HEADER_REPLAY_OF,
    HEADER_REQUESTED_BY,
    HEADER_RETRIES,
    Header,
)

MAX_AGE = re.compile(r'"?[0-9]{1,9}"?')
KEY = re.compile(r"[ -~]{1,255}")

COMMAND_ID = "command_id"
"""The key of the command id in a request's state, for the error handlers and the access log."""

REQUESTED_BY = "requested_by"
"""The key of the requester in a request's state, for the access log."""


class Context(Struct, frozen=True):
    """The context of an operation; every field is optional.

    `command_id` is the `message_id` of the command, and its id in the audit. `retries` is the id of
    the dead command that this command repeats, `replay_of` that of the command that it replays.
    `max_age_s` limits the age of the answer to a query, 0 for one from the platform itself.
    """

    command_id: str | None = None
    requested_by: str | None = None
    trace: TraceContext | None = None
    idempotency_key: str | None = None
    retries: str | None = None
    replay_of: str | None = None
    max_age_s: float | None = None

    def headers(self) -> dict[str, Header]:
        """Return the context as message headers."""
        headers = {
            HEADER_REQUESTED_BY: self.requested_by,
            **({} if self.trace is None else self.trace.headers()),
            HEADER_IDEMPOTENCY_KEY: self.idempotency_key,
            HEADER_RETRIES: self.retries,
            HEADER_REPLAY_OF: self.replay_of,
        }
        return {name: value for name, value in headers.items() if value is not None}


NOTHING = Context()


def give_command_id(request: Request[Any, Any, Any], row: Row) -> None:
    """Give a command its id; a query has none."""
    if not row.safe:
        request.scope["state"][COMMAND_ID] = new_command_id()


def context_of(request: Request[Any, Any, Any], row: Row, requested_by: str | None) -> Context:
    """Return the context of an HTTP request; raise `invalid` for a bad idempotency key."""
    return Context(
        command_id=command_id_of(request),
        requested_by=requested_by,
        trace=trace_of(request),
        idempotency_key=None if row.safe else _key(request),
        max_age_s=_max_age_s(request) if row.safe else None,
    )


def trace_of(request: Request[Any, Any, Any]) -> TraceContext | None:
    """Return the trace context of a request: of its span, or else the valid one of its headers."""
    return traces.current().context or trace_context.of_request(request.scope["headers"])


def command_id_of(request: Request[Any, Any, Any]) -> str | None:
    """Return the command id of a request, None if the request is not a command."""
    command_id: str | None = request.scope["state"].get(COMMAND_ID)
    return command_id


def _max_age_s(request: Request[Any, Any, Any]) -> float | None:
    """Return the limit in Cache-Control: 0 for no-cache, None for none; RFC 9111 §5.2.1."""
    limits = []
    # Litestar's headers are a multidict of all headers, which a query needs for nothing else.
    for field, header in request.scope["headers"]:
        if field != b"cache-control":
            continue
        for directive in header.decode("latin-1").lower().split(","):
            name, _, value = directive.strip().partition("=")
            if name in {"no-cache", "no-store"}:
                limits.append(0.0)
            elif name == "max-age" and MAX_AGE.fullmatch(value):
                limits.append(float(value.strip('"')))
    return min(limits, default=None)


def _key(request: Request[Any, Any, Any]) -> str | None:
    keys = set(request.headers.getall("idempotency-key", []))
    if not keys:
        return None
    key = keys.pop()
    if keys or not KEY.fullmatch(key):
        got = "several" if keys else show(key)
        raise Fault(
            Code.INVALID,
            "header Idempotency-Key: expected one, of 1 to 255 printable ASCII characters, "
            f"got {got}",
        )
    return key
