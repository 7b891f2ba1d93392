"""Decodes a worker's reply, which may be sealed or invalid."""

from contracts import wire
from contracts.faults import Code, Fault
from contracts.seal import SEALED, Seals, reply_seal
from contracts.wire import Message, Reply, reply_of


def reply_in(message: Message, seals: Seals | None, command_id: str | None = None) -> Reply:
    """Return the reply in a message; a 502 if it cannot be decoded.

    Without `seals` a sealed body stays sealed. `command_id` is the id of the command, None for a
    query.
    """
    status = message.headers.get(wire.HEADER_STATUS)
    retry_after = message.headers.get(wire.HEADER_RETRY_AFTER)
    if not isinstance(status, int) or not 200 <= status <= 599:
        return _unreadable("the worker's reply has no valid status", command_id)
    body, content_type = message.body, message.content_type
    if content_type == SEALED and seals is not None:
        name, where = reply_seal(message.correlation_id, message.type)
        try:
            body, content_type = seals.open(body, name, where), wire.JSON
        except Fault as fault:
            return _unreadable(f"the worker's reply: {fault}", command_id)
    age_ms, versions = (
        message.headers.get(wire.HEADER_AGE),
        message.headers.get(wire.HEADER_VERSIONS),
    )
    return Reply(
        status,
        body,
        content_type,
        retry_after if isinstance(retry_after, int) else None,
        age_ms if isinstance(age_ms, int) else None,
        versions if isinstance(versions, str) else None,
    )


def _unreadable(reason: str, command_id: str | None) -> Reply:
    return reply_of(Fault(Code.PLATFORM_FAILED, reason), command_id)
