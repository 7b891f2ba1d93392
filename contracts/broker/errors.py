"""What can go wrong with the broker, in our own words."""

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
    """The broker did not do what was asked of it."""


class ConnectionLost(BrokerError):
    """The channel or connection is gone; what was under way on it may or may not have happened."""


class ConsumerCancelled(ConnectionLost):
    """The broker took the consumer of a queue away: the queue was deleted, or has moved."""


class NotDeclared(BrokerError):
    """A queue or exchange does not exist."""


class Refused(BrokerError):
    """The broker user lacks a right."""


class Unroutable(BrokerError):
    """No queue takes the message: it was returned and is nowhere."""


class Rejected(BrokerError):
    """A full queue turned the message away."""


@contextmanager
def broker_errors() -> Iterator[None]:
    """Raise the library's errors as ours, the cause kept.

    When a channel closes, aiormq ends the calls that wait on it with CancelledError; told apart
    from a cancellation of our own task by the task's count of those.
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
        # aiormq rejects what waits on a channel that closes without a reason with a bare Exception.
        if type(error) is not Exception:
            raise
        raise ConnectionLost("the channel was closed") from error
