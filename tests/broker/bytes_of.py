"""AMQP header tables and properties as raw bytes, including those that no library would encode."""

import asyncio
import struct
from typing import Any

import aiormq
from pamqp.commands import Basic

from contracts.wire import Message


def text(value: bytes) -> bytes:
    """Encode a long string."""
    return b"S" + _counted(value)


def array(*values: bytes) -> bytes:
    """Encode a field array."""
    return b"A" + _counted(b"".join(values))


def nested(*fields: bytes) -> bytes:
    """Encode a table as a field value."""
    return b"F" + table(*fields)


def field(name: bytes, value: bytes) -> bytes:
    """Encode one entry of a table."""
    return bytes([len(name)]) + name + value


def table(*fields: bytes) -> bytes:
    """Encode a table, such as the headers."""
    return _counted(b"".join(fields))


def short(value: bytes) -> bytes:
    """Encode a short string, the type of most properties."""
    return bytes([len(value)]) + value


def _counted(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


class RawProperties(Basic.Properties):
    """Message properties; a value of type bytes is sent unchanged."""

    def encode_property(self, name: str, value: Any) -> bytes:
        return value if isinstance(value, bytes) else super().encode_property(name, value)

    def validate(self) -> None:
        """Accept every value."""


def publish(amqp_url: str, messages: list[tuple[Message, dict[str, Any]]]) -> list[str]:
    """Publish messages with extra properties; return the broker's error for each, or ""."""
    return asyncio.run(_publish(amqp_url, messages))


async def _publish(amqp_url: str, messages: list[tuple[Message, dict[str, Any]]]) -> list[str]:
    # The broker closes the connection on a protocol error, so each message has its own.
    return [await _end(amqp_url, message, odd) for message, odd in messages]


async def _end(amqp_url: str, message: Message, odd: dict[str, Any]) -> str:
    usual: dict[str, Any] = {
        "content_type": message.content_type,
        "delivery_mode": 2,
        "expiration": None if message.expiration is None else str(message.expiration),
        "message_id": message.message_id,
        "message_type": message.type,
        "user_id": message.user_id,
    }
    connection = await aiormq.connect(amqp_url)
    try:
        channel = await connection.channel()
        await channel.basic_publish(
            message.body,
            exchange=message.exchange,
            routing_key=message.key,
            properties=RawProperties(**usual | odd),
            mandatory=True,
        )
    except (aiormq.exceptions.AMQPError, asyncio.CancelledError) as error:
        return str(error) or type(error).__name__
    finally:
        await connection.close()
    return ""
