"""A message over the limit: its body is dropped on arrival, and the message is not run."""

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
from tests.worker.providers import FullProvider


def of_size(message: Message, size: int) -> bytes:
    """Return the body of a message, padded with white space to this size."""
    return message.body + b" " * (size - len(message.body))


@pytest.mark.parametrize("returns", [0, 1])
@virtual.time
async def test_a_command_over_the_limit_is_dead_lettered_with_its_size(returns):
    async with attending() as (s, w):
        await busy(s, w)
        body = of_size(request(2), MESSAGE_LIMIT + 1)
        s.last.deliver_message(request(2, body=body), returns=returns)
        assert s.bodies.in_memory < 1000
        await asyncio.sleep(10)

        assert w.called == ["1"]
        assert w.results("a-2") == [Result.DEAD]
        (outcome,) = [each for each in w.outcomes if each.result is Result.DEAD]
        assert outcome.fault is not None
        assert outcome.fault.code is Code.REQUEST_TOO_LARGE
        assert "has 1048577 bytes, the limit is 1048576" in outcome.fault.message
        (letter,) = [each for each in w.publisher.published if each.exchange == topology.DEAD]
        assert letter.body == b"not kept: it had 1048577 bytes, the limit is 1048576"
        assert letter.headers["reason"] == outcome.fault.message
        assert outcome.request is not None
        assert outcome.request.withheld == "the body had 1048577 bytes, the limit is 1048576"
        assert [reply.headers["status"] for reply in w.replies] == [413]
        assert s.last.settled == [("ack", "a-1"), ("ack", "a-2")]


@virtual.time
async def test_a_command_at_the_limit_is_run():
    async with attending() as (s, w):
        s.last.deliver_message(event(2, body=of_size(event(2), MESSAGE_LIMIT)))
        await asyncio.sleep(5)

        assert w.results("a-2") == [Result.STARTED, Result.DONE]


class RecordedReplies(attachment.NoReplies):
    """Records the statuses of replies."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        self.statuses.append(reply.status)


@virtual.time
async def test_a_query_over_the_limit_is_answered_413(monkeypatch):
    replies = RecordedReplies()
    monkeypatch.setattr(attachment, "NoReplies", lambda: replies)
    broker = attachment.Broker()
    async with attachment.consuming(FullProvider(), broker):
        receive = await broker.consumed(topology.queries_queue("k8s"))
        query = example("get_controller", GetController(scope="default", name="a"))
        large = example("get_controller", body=of_size(query, MESSAGE_LIMIT + 1))
        receive(Delivery(query, 1, False, 0))
        receive(Delivery(large, 2, False, 0))
        await asyncio.sleep(1)

        assert replies.statuses == [200, 413]
