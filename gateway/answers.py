"""The reply in a worker's message, which may be sealed, or nonsense."""

from contracts import wire
from contracts.faults import Code, Fault
from contracts.seal import SEALED, Seals, reply_seal
from contracts.wire import Message, Reply, reply_of


def reply_in(message: Message, seals: Seals) -> Reply:
    """What the caller is answered: 502 where it cannot be told what the worker means."""
    status = message.headers.get(wire.HEADER_STATUS)
    retry_after = message.headers.get(wire.HEADER_RETRY_AFTER)
    if not isinstance(status, int) or not 200 <= status <= 599:
        return reply_of(Fault(Code.PLATFORM_FAILED, "the worker's reply makes no sense"))
    body, content_type = message.body, message.content_type
    if content_type == SEALED:
        name, where = reply_seal(message.correlation_id, message.type)
        try:
            body, content_type = seals.open(body, name, where), wire.JSON
        except Fault as fault:
            return reply_of(Fault(Code.PLATFORM_FAILED, f"the worker's reply: {fault}"))
    return Reply(status, body, content_type, retry_after if isinstance(retry_after, int) else None)
