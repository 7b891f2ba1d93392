"""A message over the limit: its body is dropped as it comes, and nobody runs it."""

import asyncio

import pytest

from contracts import topology
from contracts.api import GetController
from contracts.broker.channel import Delivery
from contracts.faults import Code
from contracts.outcomes import Result
from contracts.topology import MESSAGE_LIMIT
from contracts.wire import Message, Reply
from tests.worker import attachment, virtual
from tests.worker.ledger import attending, busy, event, example, request
from tests.worker.providers import Everything


def of_size(message: Message, size: int) -> bytes:
    """The body of a message, with white space up to this size."""
    return message.body + b" " * (size - len(message.body))


@pytest.mark.parametrize("returns", [0, 1])
def test_a_command_over_the_limit_is_dead_and_says_how_large_it_was(returns):
    async def test():
        async with attending() as (s, w):
            await busy(s, w)
            body = of_size(request(2), MESSAGE_LIMIT + 1)
            s.last.hand_over(request(2, body=body), returns=returns)
            assert s.bodies.in_memory < 1000
            await asyncio.sleep(10)

            assert w.called == ["1"]
            assert w.results("a-2") == [Result.DEAD]
            (told,) = [each for each in w.outcomes if each.result is Result.DEAD]
            assert told.fault is not None
            assert told.fault.code is Code.REQUEST_TOO_LARGE
            assert "has 1048577 bytes, the limit is 1048576" in told.fault.message
            (letter,) = [each for each in w.post.published if each.exchange == topology.DEAD]
            assert letter.body == b"not kept: it had 1048577 bytes, the limit is 1048576"
            assert letter.headers["reason"] == told.fault.message
            assert told.request is not None
            assert told.request.withheld == "the body had 1048577 bytes, the limit is 1048576"
            assert [reply.headers["status"] for reply in w.replies] == [413]
            assert s.last.settled == [("ack", "a-1"), ("ack", "a-2")]

    virtual.run(test)


def test_a_command_of_just_the_limit_is_run():
    async def test():
        async with attending() as (s, w):
            s.last.hand_over(event(2, body=of_size(event(2), MESSAGE_LIMIT)))
            await asyncio.sleep(5)

            assert w.results("a-2") == [Result.STARTED, Result.DONE]

    virtual.run(test)


class Noting(attachment.Silent):
    """Notes the replies."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        self.statuses.append(reply.status)


def test_a_query_over_the_limit_is_answered_413(monkeypatch):
    replies = Noting()
    monkeypatch.setattr(attachment, "Silent", lambda: replies)

    async def test():
        broker = attachment.Broker()
        async with attachment.consuming(Everything(), broker):
            receive = await broker.consumed(topology.queries_queue("k8s"))
            query = example("get_controller", GetController(scope="default", name="a"))
            large = example("get_controller", body=of_size(query, MESSAGE_LIMIT + 1))
            receive(Delivery(query, 1, False, 0))
            receive(Delivery(large, 2, False, 0))
            await asyncio.sleep(1)

            assert replies.statuses == [200, 413]

    virtual.run(test)
