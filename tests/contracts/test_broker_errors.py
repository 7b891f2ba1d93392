"""Translation of the AMQP library's errors, and of its cancellations."""

import asyncio

import pytest
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ConnectionClosed,
    DeliveryError,
)
from pamqp.commands import Basic

from contracts.broker.errors import (
    BrokerError,
    ConnectionLost,
    NotDeclared,
    Refused,
    Rejected,
    broker_errors,
)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (ChannelNotFoundEntity("no queue"), NotDeclared),
        (ChannelAccessRefused("no right"), Refused),
        (DeliveryError(None, Basic.Nack(1)), Rejected),
        (ChannelInvalidStateError("closed"), ConnectionLost),
        (ConnectionClosed(320, "forced"), ConnectionLost),
        (ConnectionResetError("reset"), ConnectionLost),
        (EOFError(), ConnectionLost),
        (Exception(), ConnectionLost),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_an_error_of_the_library_becomes_a_broker_error_and_its_cause(
    theirs: Exception, ours: type[BrokerError]
) -> None:
    with pytest.raises(ours) as raised, broker_errors():
        raise theirs

    assert type(raised.value) is ours
    assert raised.value.__cause__ is theirs


async def test_a_cancellation_by_the_library_becomes_connection_lost() -> None:
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting.set_exception(asyncio.CancelledError())

    with pytest.raises(ConnectionLost), broker_errors():
        await waiting


async def test_a_cancellation_of_the_current_task_is_not_translated() -> None:
    async def wait() -> None:
        with broker_errors():
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_error_of_our_own_code_is_not_translated() -> None:
    with pytest.raises(ValueError, match="ours"), broker_errors():
        raise ValueError("ours")
