"""Dead letters: messages in `machinist.dead` for commands that can never be run."""

from contracts import topology
from contracts.outcomes import identity, now, short
from contracts.secrecy import may_hold_secrets
from contracts.wire import Header, Message

HEADER_REASON = "reason"
HEADER_USER = "user"
HEADER_QUEUE = "queue"
HEADER_DIED = "died"
"""The time of death as a text for people (RFC 3339); letters of earlier versions have none."""

COPIES = ("CC", "BCC")
"""Headers with further routing keys, under which RabbitMQ routes copies of a message."""

ABSENT = b"not kept: "
"""The beginning of a text in place of a body."""

NOT_KEPT = ABSENT + b"it may hold secrets and was not sealed"
"""The body of a dead letter that replaces an unsealed body with possible secrets."""

TOO_LARGE = ABSENT.decode() + f"it had {{}} bytes, the limit is {topology.MESSAGE_LIMIT}"
TEXT = "text/plain"

REASON_LIMIT = 1000
HEADERS_LIMIT = 16_384
"""The maximal size in bytes of a dead letter's headers; an AMQP frame holds 131,072."""


def dead_letter(message: Message, reason: str, queue: str, app_id: str) -> Message:
    """Return the dead letter of a message, with reason, queue, broker user and time of death.

    Left out are properties that the broker would act on: the user id, which it would compare, the
    expiration, and the routing keys of copies. Also left out are headers that cannot be published
    again, and an unsealed body that may hold secrets.
    """
    headers = _kept_headers(message.headers)
    headers |= {
        HEADER_REASON: reason[:REASON_LIMIT],
        HEADER_QUEUE: queue,
        HEADER_DIED: now().isoformat(timespec="milliseconds"),
    }
    if message.user_id:
        headers[HEADER_USER] = message.user_id
    body, content_type = _body(message)
    # The encoding applies to the original body, not to a text that replaces it.
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
    """Return body and content type: of the message, or of the reason why its body is not kept."""
    if message.dropped:
        return TOO_LARGE.format(message.dropped).encode(), TEXT
    if may_hold_secrets(message.type, message.body):
        return NOT_KEPT, TEXT
    return message.body, short(message.content_type)


def _kept_headers(headers: dict[str, Header]) -> dict[str, Header]:
    """Return the publisher's scalar headers, up to the size limit."""
    kept: dict[str, Header] = {}
    left = HEADERS_LIMIT
    for name, value in headers.items():
        if not _is_scalar(value) or name.startswith("x-") or name in {*COPIES, HEADER_USER}:
            continue
        left -= len(f"{short(name)}{value}".encode()) + 10  # AMQP's type and lengths
        if left < 0:
            break
        kept[short(name)] = value
    return kept


def _is_scalar(value: object) -> bool:
    return type(value) is str or (type(value) is int and -(2**63) <= value < 2**63)
