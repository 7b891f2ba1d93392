"""One connection as calls use it: puts operations on their way and notes what became of them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, ConnectionLost, Rejected, Unroutable
from contracts.faults import Code, Fault
from contracts.wire import Message, Reply

log = logging.getLogger(__name__)


class Pending:
    """A published operation that waits for its reply."""

    def __init__(self, provider: str, message: Message, *, safe: bool, deadline: float) -> None:
        """`deadline` in seconds of the Unix epoch."""
        self.provider = provider
        self.message = message
        self.safe = safe
        self.deadline = deadline
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.is_confirmed = False

    def answer(self, reply: Reply) -> None:
        """The first answer counts."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, fault: Fault) -> None:
        """End the wait without a reply, unless there is one."""
        if not self.reply.done():
            self.reply.set_exception(fault)


Refused = Callable[[str, Message, Fault], None]
"""Is told of a command that the broker turned away: its provider, the command, and why."""


class Session:
    """What calls need of one connection; queries never wait behind the bodies of commands."""

    def __init__(
        self,
        connection: Connection,
        group: asyncio.TaskGroup,
        replies: str,
        queries: Channel,
        commands: Channel,
        refused: Refused,
    ) -> None:
        self.connection = connection
        self.group = group
        self.replies = replies
        self.is_over = False
        self._queries = queries
        self._commands = commands
        self._refused = refused

    def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the calls; its failure ends the session, and no call may begin then."""
        self.group.create_task(self._watched(work))

    async def over(self) -> None:
        """Wait for the end; no call may begin from the very step in which it comes."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.is_over = True

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BrokerError:
            self.is_over = True
            raise

    def publish(self, pending: Pending) -> None:
        """Put it on its way; what becomes of it shows in `pending`."""
        self.group.create_task(self._publish(pending))

    async def _publish(self, pending: Pending) -> None:
        channel = self._queries if pending.safe else self._commands
        try:
            await channel.publish(pending.message, mandatory=True)
            pending.is_confirmed = True
        except Unroutable:
            fault = unattended(pending.provider) if pending.safe else without_partition(pending)
            pending.fail(fault)
        except Rejected:
            fault = Fault(
                Code.QUEUE_FULL, f"the queue of the provider {pending.provider!r} takes no more"
            )
            pending.fail(fault)
            if not pending.safe:
                self._refused(pending.provider, pending.message, fault)
        except ConnectionLost as error:
            # It may have arrived all the same: a query is published again, a command waits.
            log.debug("no confirm for %s: %s", pending.message.message_id, error)
        except BrokerError:
            self.is_over = True
            raise


def unattended(provider: str) -> Fault:
    """The fault of a provider that has no worker."""
    return Fault(Code.PROVIDER_UNATTENDED, f"no worker is attached for the provider {provider!r}")


def without_partition(pending: Pending) -> Fault:
    """The fault of a command that no queue takes: nothing happens."""
    return Fault(
        Code.PROVIDER_UNATTENDED,
        f"no partition of the provider {pending.provider!r} takes the key {pending.message.key}: "
        "its queue or binding is missing on the broker, see /ready",
    )
