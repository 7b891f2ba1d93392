"""What a request says beside its operation: for whom it is, in which trace, under which key."""

import re
from typing import Any
from uuid import uuid4

from litestar import Request
from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.operation import Row
from contracts.validation import show
from contracts.wire import (
    HEADER_IDEMPOTENCY_KEY,
    HEADER_REQUESTED_BY,
    HEADER_TRACEPARENT,
    Header,
)

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
KEY = re.compile(r"[ -~]{1,255}")

COMMAND_ID = "command_id"
"""Under which a request's state keeps the id of its command, for the errors on the way."""


class Context(Struct, frozen=True):
    """What goes with an operation, all of it optional.

    `command_id` is the `message_id` that a command is published with, and its id in the audit.
    """

    command_id: str | None = None
    requested_by: str | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None

    def headers(self) -> dict[str, Header]:
        """The same as headers of a message."""
        told = {
            HEADER_REQUESTED_BY: self.requested_by,
            HEADER_TRACEPARENT: self.traceparent,
            HEADER_IDEMPOTENCY_KEY: self.idempotency_key,
        }
        return {name: value for name, value in told.items() if value is not None}


NOTHING = Context()


def context_of(request: Request[Any, Any, Any], row: Row) -> Context:
    """The context of an HTTP request; `invalid` if its key is none that can be kept."""
    command_id = None if row.safe else request.scope["state"].setdefault(COMMAND_ID, uuid4().hex)
    traceparent = request.headers.get("traceparent", "")
    return Context(
        command_id=command_id,
        requested_by=requester(request),
        traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
        idempotency_key=None if row.safe else _key(request),
    )


def command_id_of(request: Request[Any, Any, Any]) -> str | None:
    """Return the id of the command that a request became, None for anything else."""
    command_id: str | None = request.scope["state"].get(COMMAND_ID)
    return command_id


def requester(request: Request[Any, Any, Any]) -> str | None:
    """For whom the gateway asks, as the audit names them: the peer of the connection.

    Never what a header says, `X-Forwarded-For` included: any client can write one.
    """
    return request.client.host if request.client else None


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
