"""Every place in which an operator, or whoever has the broker's disk, can read."""

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

Settle = Callable[[Channel, Delivery], Coroutine[Any, Any, None]]
STREAM_START = {"x-stream-offset": "first"}
MOST = 5000
MOST_S = 60


class Broker:
    """A virtual host of a node, as far as it can be read."""

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
        """Ask no more."""
        self._http.close()

    def shown(self, queue: str) -> list[dict[str, Any]]:
        """The messages in a queue as the management UI shows them."""
        answer = self._http.post(
            f"/queues/{self._host}/{queue}/get",
            json={"count": MOST, "ackmode": "ack_requeue_true", "encoding": "auto"},
        )
        messages: list[dict[str, Any]] = answer.raise_for_status().json()
        for message in messages:
            if message["payload_encoding"] == "base64":
                message["payload"] = base64.b64decode(message["payload"]).decode("latin-1")
        return messages

    def queues(self) -> dict[str, list[dict[str, Any]]]:
        """What is in every queue that can be looked into.

        A stream can only be consumed. So can a queue with a single active consumer: those are
        empty in the end, and what was in them is in the files.
        """
        listed = self._http.get(f"/queues/{self._host}").raise_for_status().json()
        return {
            each["name"]: self.shown(each["name"])
            for each in listed
            if each["type"] != "stream" and "x-single-active-consumer" not in each["arguments"]
        }

    def stream(self) -> list[Message]:
        """All that the audit holds, from its first message."""
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
        """The node's own files that were written to, raw."""
        for path in self._node.folder.rglob("*"):
            try:
                if path.is_file() and path.stat().st_mtime >= since:
                    yield str(path.relative_to(self._node.folder)), path.read_bytes()
            except FileNotFoundError:
                continue  # the broker tidies up

    def publish(self, *messages: Message) -> None:
        """Publish as a gateway's user may, until each is in a queue."""

        async def session(connection: Connection) -> None:
            async with connection.passing_channel() as channel:
                for message in messages:
                    own = msgspec.structs.replace(message, user_id=connection.user)
                    await channel.publish(own, mandatory=True)

        self._run(session)

    def _run(self, session: Session) -> None:
        # A link tries again whatever the broker refuses: within bounds here.
        link = ReconnectingConnection(self._amqp_url, "test reader")
        asyncio.run(asyncio.wait_for(link.run(session), MOST_S))

    def consume(self, queue: str, settle: Settle, count: int) -> None:
        """Take messages one after another as a stranger who settles them so.

        The checks of gateways may wait there too, and are none of them.
        """

        async def session(connection: Connection) -> None:
            arrived: asyncio.Queue[Delivery] = asyncio.Queue()
            async with connection.passing_channel() as channel:
                await channel.consume(queue, arrived.put_nowait, prefetch=1)
                settled = 0
                while settled < count:
                    delivery = await arrived.get()
                    if delivery.message.type == topology.ATTENDANCE:
                        await channel.ack(delivery)
                        continue
                    await settle(channel, delivery)
                    settled += 1

        self._run(session)


def as_bytes(value: object) -> bytes:
    """Whatever was read, so that it can be searched."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, Message):
        return value.body + b"\n" + repr(value).encode()
    if isinstance(value, str):
        return value.encode(errors="backslashreplace")
    return msgspec.json.encode(value)
