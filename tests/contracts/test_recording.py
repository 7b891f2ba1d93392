"""Outcomes that were confirmed shortly before a connection was lost are published again."""

import msgspec
import pytest

from contracts import topology
from contracts.broker.errors import ConnectionLost
from contracts.broker.recording import Confirmed
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of


def outcome(name: str) -> Message:
    command = message_of(EXAMPLES["update_controller_replicas"])
    return msgspec.structs.replace(command, exchange=topology.OUTCOMES, message_id=name)


class Broker:
    """Takes so many messages, and is gone then."""

    def __init__(self, most: int = 100) -> None:
        self.taken: list[str] = []
        self._most = most

    async def publish(self, message: Message) -> None:
        if len(self.taken) == self._most:
            raise ConnectionLost("gone")
        self.taken.append(message.message_id)


async def again(confirmed: Confirmed) -> list[str]:
    broker = Broker()
    await confirmed.publish_again(broker.publish)
    return broker.taken


async def test_they_are_the_newest_in_their_order_and_come_again_once():
    confirmed = Confirmed(most=2)
    for name in "abc":
        confirmed.note(outcome(name))
    assert await again(confirmed) == []

    confirmed.lost()

    assert await again(confirmed) == ["b", "c"]
    assert await again(confirmed) == []


async def test_what_the_next_connection_did_not_take_is_for_the_one_after_it():
    confirmed = Confirmed()
    for name in "abc":
        confirmed.note(outcome(name))
    confirmed.lost()

    with pytest.raises(ConnectionLost):
        await confirmed.publish_again(Broker(most=1).publish)
    confirmed.lost()

    assert await again(confirmed) == ["b", "c"]
