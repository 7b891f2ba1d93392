"""Dead letters: commands that nobody can run, as operators find them; knows no broker."""

from contracts import topology
from contracts.outcomes import identity, short
from contracts.secrecy import may_hold_secrets
from contracts.wire import Header, Message

HEADER_REASON = "reason"
HEADER_USER = "user"
HEADER_QUEUE = "queue"

COPIES = ("CC", "BCC")
"""Headers by which RabbitMQ routes copies of a message under further keys."""

NOT_KEPT = b"not kept: it may hold secrets and was not sealed"
"""The body of a dead letter whose own body is not kept."""

TOO_LARGE = f"not kept: it had {{}} bytes, the limit is {topology.MESSAGE_LIMIT}"
TEXT = "text/plain"

REASON_LIMIT = 1000
HEADERS_LIMIT = 16_384
"""Bytes of a dead letter's headers; a frame has room for 131,072."""


def dead_letter(message: Message, reason: str, queue: str, app_id: str) -> Message:
    """The message as operators find it in `machinist.dead`, with the reason and who sent it.

    What the broker would act on when it is published again is left out: the user, whom it would
    compare, the time to live, and copies to other keys. So is what cannot be published again.
    A body that may hold secrets and came open is not spread any further.
    """
    headers = _plain(message.headers)
    headers |= {HEADER_REASON: reason[:REASON_LIMIT], HEADER_QUEUE: queue}
    if message.user_id:
        headers[HEADER_USER] = message.user_id
    body, content_type = _body(message)
    # What the body was compressed with is still true of it; not of our words in its place.
    encoding = short(message.content_encoding or "") or None if body == message.body else None
    return Message(
        exchange=topology.DEAD,
        key=short(message.key),
        body=body,
        type=short(message.type),
        message_id=short(identity(message)),
        content_type=content_type,
        content_encoding=encoding,
        correlation_id=short(message.correlation_id or "") or None,
        reply_to=short(message.reply_to or "") or None,
        timestamp=message.timestamp,
        app_id=app_id,
        persistent=True,
        headers=headers,
    )


def _body(message: Message) -> tuple[bytes, str]:
    """The body of a dead letter and its content type: the message's own, or why it is not kept."""
    if message.dropped:
        return TOO_LARGE.format(message.dropped).encode(), TEXT
    if may_hold_secrets(message.type, message.body):
        return NOT_KEPT, TEXT
    return message.body, short(message.content_type)


def _plain(headers: dict[str, Header]) -> dict[str, Header]:
    """The headers that are flat and a stranger's own, as many as there is room for."""
    plain: dict[str, Header] = {}
    left = HEADERS_LIMIT
    for name, value in headers.items():
        if not _is_flat(value) or name.startswith("x-") or name in {*COPIES, HEADER_USER}:
            continue
        left -= len(f"{short(name)}{value}".encode()) + 10  # of AMQP's own
        if left < 0:
            break
        plain[short(name)] = value
    return plain


def _is_flat(value: object) -> bool:
    return type(value) is str or (type(value) is int and -(2**63) <= value < 2**63)
