"""Replies: a refused reply is only dropped; the reply to a sealed request is sealed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from contracts.broker.attendance import Announcement
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, NotDeclared, Refused, Rejected
from contracts.broker.publishing import frames
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.seal import SEALED, Seals
from contracts.topology import ATTENDANCE
from contracts.wire import Message, Reply, reply_of
from gateway.calls.replies import reply_in
from tests.examples import EXAMPLES, message_of
from worker.messages.publisher import Publisher
from worker.messages.replies import Replies

SEALS = Seals([b"k" * 32])
REQUEST = message_of(EXAMPLES["get_machines"])
ANNOUNCEMENT = Announcement("w", "k8s", "0", 0.0)


class Broker:
    """A connection and its only channel; refuses replies."""

    is_closed = False
    user = "worker"

    def __init__(self, refusal: BrokerError) -> None:
        self._refusal = refusal

    async def channel(self) -> "Broker":
        return self

    async def publish(self, message: Message, *, mandatory: bool = False) -> None:
        if message.type != ATTENDANCE:
            raise self._refusal

    async def lost(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def pulse(self) -> None:
        await self.lost()

    async def confirms(self, channel: "Broker") -> None:
        await self.lost()

    async def accept(self, *_: Any, **__: Any) -> int:
        """Accept a declaration."""
        return 0

    has_exchange = consumers = bind = unbind = close = accept


class Session(ReconnectingConnection):
    """A connection with an event for a ready session."""

    def __init__(self) -> None:
        super().__init__("amqp://nowhere", "test")
        self.is_ready = asyncio.Event()

    def ready(self) -> None:
        self.is_ready.set()


@asynccontextmanager
async def replies_over(broker: Broker) -> AsyncIterator[Replies]:
    """Run a session, and yield its replies."""
    link = Session()
    publisher = Publisher(link, lambda: ANNOUNCEMENT)
    session = asyncio.create_task(publisher.session(cast(Connection, broker)))
    await link.is_ready.wait()
    async with asyncio.TaskGroup() as group:
        yield Replies("w", publisher, Seals([]), group)
    session.cancel()


@pytest.mark.parametrize("refusal", [Rejected("full"), NotDeclared("absent"), Refused("no right")])
async def test_a_refused_reply_is_dropped_without_an_exception(refusal):
    """An exception would end the task group of the whole process."""
    async with replies_over(Broker(refusal)) as replies:
        await replies.send(REQUEST, Reply(200, b"{}"), time.monotonic() + 1)


@pytest.mark.parametrize("refusal", [Rejected("full"), Rejected("a queue is on a dead node")])
async def test_a_refused_announcement_of_versions_does_not_fail_the_command(refusal):
    async with replies_over(Broker(refusal)) as replies:
        await replies.announce(message_of(EXAMPLES["delete_service"]), {"services": 7})


class Sink:
    """A publisher that keeps messages that AMQP can encode."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def publish(self, message: Message, *, mandatory: bool) -> None:
        frames(message, 1, 131_072, mandatory=mandatory)
        self.sent.append(message)


async def sent_for(request: Message, reply: Reply, seals: Seals = SEALS) -> Message:
    """Return the message of a reply by a worker with these keys."""
    sink = Sink()
    async with asyncio.TaskGroup() as group:
        replies = Replies("w", cast(Publisher, sink), seals, group)
        await replies.send(request, reply, time.monotonic() + 1)
    (message,) = sink.sent
    return message


def sealed_request(seals: Seals) -> Message:
    """Return a request with a body that a gateway sealed with these keys."""
    message = message_of(EXAMPLES["apply_controller"])
    body = seals.seal(message.body, message.type, message.key.split(".", 2)[2])
    return message_of(EXAMPLES["apply_controller"], body=body, content_type=SEALED)


async def test_the_reply_to_a_sealed_request_is_sealed_with_the_same_key():
    """The reply is sealed with the gateway's key, although the worker's first key is another."""
    of_gateway, other = b"g" * 32, b"w" * 32
    gateway = Seals([of_gateway])
    message = await sent_for(
        sealed_request(gateway), Reply(200, b'"canary"'), Seals([other, of_gateway])
    )

    assert b"canary" not in message.body
    assert message.content_type == SEALED
    assert reply_in(message, gateway) == Reply(200, b'"canary"')


async def test_a_sealed_reply_cannot_be_opened_as_the_reply_to_another_request():
    message = await sent_for(sealed_request(SEALS), Reply(200, b"{}"))
    moved = msgspec.structs.replace(message, correlation_id="another")

    assert reply_in(moved, SEALS).status == 502


async def test_a_problem_is_never_sealed():
    """A problem tells a caller with another key that the keys differ."""
    fault = Fault(Code.SEAL_NOT_OPENED, "another key")
    request = sealed_request(SEALS)

    message = await sent_for(request, reply_of(fault))

    assert message.content_type == "application/problem+json"
    assert message.body == fault.body(request.message_id)


async def test_a_problem_has_the_id_of_a_failed_command_but_not_of_a_query():
    fault = Fault(Code.NOT_FOUND, "there is none")
    command = message_of(EXAMPLES["delete_service"])

    of_command = await sent_for(command, reply_of(fault))
    of_query = await sent_for(REQUEST, reply_of(fault))

    assert of_command.body == fault.body(command.message_id)
    assert of_query.body == fault.body()


@pytest.mark.parametrize(("age_ms", "versions"), [(None, None), (0, ""), (1500, "pods=7")])
async def test_the_reply_to_a_query_has_its_age_and_versions(age_ms, versions):
    reply = Reply(200, b"[]", age_ms=age_ms, versions=versions)

    assert reply_in(await sent_for(REQUEST, reply), SEALS) == reply


UNDECODABLE = {
    "correlation_id": "\\xff" * 255,
    "reply_to": "\\xff" * 255,
    "type": "\\xff" * 255,
}


@pytest.mark.parametrize("name", UNDECODABLE)
async def test_a_request_with_long_undecodable_properties_is_answered(name):
    """A property in another encoding than UTF-8 grows when it is decoded, and must be cut."""
    request = message_of(EXAMPLES["get_machines"], **{name: UNDECODABLE[name]})
    reply = await sent_for(request, Reply(200, b"{}"))

    assert len(reply.key.encode()) <= 255
    assert reply.correlation_id is not None
    assert (reply.correlation_id == request.correlation_id) is (name != "correlation_id")
