"""Messages byte for byte: header tables and properties that no library would write."""

import asyncio
import struct
from typing import Any

import aiormq
from pamqp.commands import Basic

from contracts.wire import Message


def text(value: bytes) -> bytes:
    """A long string."""
    return b"S" + _counted(value)


def array(*values: bytes) -> bytes:
    """Values in a row."""
    return b"A" + _counted(b"".join(values))


def nested(*fields: bytes) -> bytes:
    """A table as a value."""
    return b"F" + table(*fields)


def field(name: bytes, value: bytes) -> bytes:
    """One entry of a table."""
    return bytes([len(name)]) + name + value


def table(*fields: bytes) -> bytes:
    """A table, as headers are."""
    return _counted(b"".join(fields))


def short(value: bytes) -> bytes:
    """A short string, as most properties are."""
    return bytes([len(value)]) + value


def _counted(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


class Raw(Basic.Properties):
    """Properties of which those that are bytes are sent as they are."""

    def encode_property(self, name: str, value: Any) -> bytes:
        """The bytes of one property."""
        return value if isinstance(value, bytes) else super().encode_property(name, value)

    def validate(self) -> None:
        """All are good."""


def publish(amqp_url: str, messages: list[tuple[Message, dict[str, Any]]]) -> list[str]:
    """Publish each with these properties as well; why the broker refused each, or ""."""
    return asyncio.run(_publish(amqp_url, messages))


async def _publish(amqp_url: str, messages: list[tuple[Message, dict[str, Any]]]) -> list[str]:
    # What the broker takes for a fault of the protocol costs the connection: each has its own.
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
            properties=Raw(**usual | odd),
            mandatory=True,
        )
    except (aiormq.exceptions.AMQPError, asyncio.CancelledError) as error:
        return str(error) or type(error).__name__
    finally:
        await connection.close()
    return ""
