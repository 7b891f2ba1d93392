"""An event producer, which publishes scale commands to `machinist.events`."""

import asyncio
import time
from uuid import uuid4

import msgspec

from contracts import address, topology, wire
from contracts.api import UpdateControllerReplicas
from contracts.broker.attendance import Announcement
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.wire import Message
from deploy.rabbitmq.configuration import USER


def scale_event(name: str, replicas: int, provider: str = "k8s") -> Message:
    """Return a scale command as an event producer publishes it."""
    operation = UpdateControllerReplicas(
        scope="default", name=name, replicas=replicas, kind="Deployment"
    )
    where = address.address(operation)
    return Message(
        exchange=topology.EVENTS,
        key=address.routing_key(provider, operation.row, where),
        body=wire.encode(operation),
        type=operation.row.name,
        message_id=uuid4().hex,
        user_id=USER,
        persistent=True,
    )


def lasting_event(name: str, replicas: int) -> Message:
    """Return a scale command with an idempotency key, which prevents superseding."""
    event = scale_event(name, replicas)
    return msgspec.structs.replace(event, headers={wire.HEADER_IDEMPOTENCY_KEY: event.message_id})


def announcement(provider: str = "k8s") -> Message:
    """Return the announcement of another worker, for tests whose worker is frozen."""
    return Announcement("another", provider, "test", time.time()).message()


def publish(amqp_url: str, messages: list[Message]) -> int:
    """Publish in order, await every confirm, and return the number of refused messages."""
    refused = 0

    async def session(connection: Connection) -> None:
        nonlocal refused
        async with connection.passing_channel() as channel:
            publishes = [channel.publish(message, mandatory=True) for message in messages]
            ends = await asyncio.gather(*publishes, return_exceptions=True)
        refused = sum(isinstance(end, BrokerError) for end in ends)

    asyncio.run(ReconnectingConnection(amqp_url, "test producer").run(session))
    return refused
