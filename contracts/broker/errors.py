"""The errors of the broker client, which replace those of the AMQP library."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)


class BrokerError(Exception):
    """A request to the broker failed."""


class ConnectionLost(BrokerError):
    """The channel or connection was closed; requests in flight may have been handled or not."""


class ConsumerCancelled(ConnectionLost):
    """The broker cancelled a consumer, because its queue was deleted or has moved."""


class NotDeclared(BrokerError):
    """A queue or exchange does not exist."""


class Refused(BrokerError):
    """The broker user lacks a right."""


class Unroutable(BrokerError):
    """The message matched no binding: the broker returned it and has no copy."""


class Rejected(BrokerError):
    """The broker rejected a publish (`basic.nack`), mostly because a queue is full."""


@contextmanager
def broker_errors() -> Iterator[None]:
    """Translate the library's errors into BrokerErrors, and keep the cause.

    When a channel closes, aiormq raises CancelledError in the calls that wait on it. `cancelling()`
    tells such an error from a cancellation of the current task.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionLost("the channel was closed") from error
    except PublishError as error:
        raise Unroutable(str(error)) from error
    except DeliveryError as error:
        raise Rejected("a queue is full") from error
    except ChannelNotFoundEntity as error:
        raise NotDeclared(str(error)) from error
    except ChannelAccessRefused as error:
        raise Refused(str(error)) from error
    except (AMQPError, ChannelInvalidStateError, OSError, EOFError) as error:
        raise ConnectionLost(str(error) or type(error).__name__) from error
    except Exception as error:
        # aiormq fails pending calls with a bare Exception if the channel closes without a reason.
        if type(error) is not Exception:
            raise
        raise ConnectionLost("the channel was closed") from error
