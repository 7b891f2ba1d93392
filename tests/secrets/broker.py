"""Everything on a broker that an operator, or a reader of its disk, can read."""

import asyncio
import base64
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from contracts import topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection, Session
from contracts.wire import Message
from deploy.rabbitmq.node import RabbitNode

Finish = Callable[[Channel, Delivery], Coroutine[Any, Any, None]]
STREAM_START = {"x-stream-offset": "first"}
MAX_MESSAGES = 5000
TIMEOUT_S = 60


class Broker:
    """A virtual host: its queues, audit stream and files on disk."""

    def __init__(self, amqp_url: str, node: RabbitNode) -> None:
        self._amqp_url = amqp_url
        self._node = node
        self._host = amqp_url.rpartition("/")[2]
        self._http = httpx.Client(
            base_url=f"{node.management_url}/api",
            auth=(node.user, node.password),
            timeout=60,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the HTTP client."""
        self._http.close()

    def shown(self, queue: str) -> list[dict[str, Any]]:
        """Return the messages of a queue as the management UI shows them."""
        answer = self._http.post(
            f"/queues/{self._host}/{queue}/get",
            json={"count": MAX_MESSAGES, "ackmode": "ack_requeue_true", "encoding": "auto"},
        )
        messages: list[dict[str, Any]] = answer.raise_for_status().json()
        for message in messages:
            if message["payload_encoding"] == "base64":
                message["payload"] = base64.b64decode(message["payload"]).decode("latin-1")
        return messages

    def queues(self) -> dict[str, list[dict[str, Any]]]:
        """Return the messages of all queues that the management API can read.

        Streams and queues with a single active consumer can only be consumed. Such queues are empty
        at the end, and their former messages are in the files.
        """
        listed = self._http.get(f"/queues/{self._host}").raise_for_status().json()
        return {
            each["name"]: self.shown(each["name"])
            for each in listed
            if each["type"] != "stream" and "x-single-active-consumer" not in each["arguments"]
        }

    def stream(self) -> list[Message]:
        """Return all messages of the audit stream."""
        marker = Message(
            exchange="",
            key=topology.AUDIT,
            body=b"{}",
            type="marker",
            message_id=uuid4().hex,
        )
        found: list[Message] = []

        async def session(connection: Connection) -> None:
            arrived: asyncio.Queue[Delivery] = asyncio.Queue()
            async with connection.passing_channel() as channel:
                await channel.publish(marker)
                await channel.consume(
                    topology.AUDIT, arrived.put_nowait, prefetch=500, arguments=STREAM_START
                )
                while not found or found[-1].message_id != marker.message_id:
                    delivery = await arrived.get()
                    found.append(delivery.message)
                    await channel.ack(delivery)

        self._run(session)
        return found[:-1]

    def files(self, since: float) -> Iterator[tuple[str, bytes]]:
        """Yield the files of the node that were written since a time."""
        for path in self._node.folder.rglob("*"):
            try:
                if path.is_file() and path.stat().st_mtime >= since:
                    yield str(path.relative_to(self._node.folder)), path.read_bytes()
            except FileNotFoundError:
                continue  # deleted by the broker

    def publish(self, *messages: Message) -> None:
        """Publish messages with the user id of the connection, and await the confirms."""

        async def session(connection: Connection) -> None:
            async with connection.passing_channel() as channel:
                for message in messages:
                    own = msgspec.structs.replace(message, user_id=connection.user)
                    await channel.publish(own, mandatory=True)

        self._run(session)

    def _run(self, session: Session) -> None:
        # A connection reconnects after any refusal, hence the timeout.
        link = ReconnectingConnection(self._amqp_url, "test reader")
        asyncio.run(asyncio.wait_for(link.run(session), TIMEOUT_S))

    def consume(self, queue: str, finish: Finish, count: int) -> None:
        """Consume messages, and acknowledge, reject or return each with `finish`.

        Attendance checks of gateways in the queue are acknowledged and not counted.
        """

        async def session(connection: Connection) -> None:
            arrived: asyncio.Queue[Delivery] = asyncio.Queue()
            async with connection.passing_channel() as channel:
                await channel.consume(queue, arrived.put_nowait, prefetch=1)
                finished = 0
                while finished < count:
                    delivery = await arrived.get()
                    if delivery.message.type == topology.ATTENDANCE:
                        await channel.ack(delivery)
                        continue
                    await finish(channel, delivery)
                    finished += 1

        self._run(session)


def as_bytes(value: object) -> bytes:
    """Convert any value to bytes for the search."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, Message):
        return value.body + b"\n" + repr(value).encode()
    if isinstance(value, str):
        return value.encode(errors="backslashreplace")
    return msgspec.json.encode(value)
