"""The bytes of a publish: the frames of the method, of the properties and of the body.

AMQP 0-9-1, sections 2.3.5 and 4.2. The library makes an object for every frame, and encodes each
property through a table: 48 µs of CPU for a query, against 14 µs here.
"""

import struct

from pamqp import encode

from contracts.wire import Message

METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
FRAME = struct.Struct(">BHI")
"""The type of a frame, its channel, and the size of its payload."""

FRAME_BYTES = FRAME.size + len(END)

BASIC_PUBLISH = struct.pack(">HHH", 60, 40, 0)
BASIC_CONTENT = struct.Struct(">HHQH")
"""The class and weight of a content, the size of its body, and the flags of its properties."""

LONG_LONG = struct.Struct(">q")
UNSIGNED = struct.Struct(">Q")
SIZE = struct.Struct(">I")
PERSISTENT, TRANSIENT = b"\x02", b"\x01"


def frames(message: Message, channel: int, frame_max: int, *, mandatory: bool) -> bytes:
    """Return the frames of a publish on a channel; `frame_max` is in bytes, 0 for no limit.

    Raises ValueError if a name is longer than 255 bytes in UTF-8.
    """
    body = message.body
    method = BASIC_PUBLISH + _short(message.exchange) + _short(message.key) + bytes([mandatory])
    parts = [
        *(FRAME.pack(METHOD, channel, len(method)), method, END),
        *_header(message, channel),
    ]
    largest = frame_max - FRAME_BYTES if frame_max else max(1, len(body))
    for start in range(0, len(body), largest):
        part = body[start : start + largest]
        parts += (FRAME.pack(BODY, channel, len(part)), part, END)
    return b"".join(parts)


def _header(message: Message, channel: int) -> tuple[bytes, bytes, bytes]:
    expiration = None if message.expiration is None else str(message.expiration)
    timestamp = None if message.timestamp is None else UNSIGNED.pack(message.timestamp)
    properties = (
        (15, _optional(message.content_type)),
        (14, _optional(message.content_encoding)),
        (13, _table(message.headers) if message.headers else None),
        (12, PERSISTENT if message.persistent else TRANSIENT),
        (10, _optional(message.correlation_id)),
        (9, _optional(message.reply_to)),
        (8, _optional(expiration)),
        (7, _optional(message.message_id)),
        (6, timestamp),
        (5, _optional(message.type)),
        (4, _optional(message.user_id)),
        (3, _optional(message.app_id)),
    )
    present = [(1 << bit, value) for bit, value in properties if value is not None]
    flags = sum(flag for flag, _ in present)
    content = BASIC_CONTENT.pack(60, 0, len(message.body), flags)
    content += b"".join([value for _, value in present])
    return FRAME.pack(HEADER, channel, len(content)), content, END


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError(f"expected at most 255 bytes, got {len(encoded)}: {text[:80]}…")
    return bytes([len(encoded)]) + encoded


def _optional(text: str | None) -> bytes | None:
    return _short(text) if text else None


def _table(headers: dict[str, str | int]) -> bytes:
    parts: list[bytes] = []
    for name, value in headers.items():
        parts.append(_short(name))
        if type(value) is str:
            encoded = value.encode()
            parts += (b"S", SIZE.pack(len(encoded)), encoded)
        elif type(value) is int:
            parts += (b"l", LONG_LONG.pack(value))
        else:  # a copied message may have headers of other programs
            parts.append(encode.encode_table_value(value))
    table = b"".join(parts)
    return SIZE.pack(len(table)) + table
