"""The session of calls on one connection: publishes operations and records the result."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import msgspec

from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, ConnectionLost, Rejected, Unroutable
from contracts.faults import Code, Fault
from contracts.observation.messaging import propagating, sending
from contracts.wire import Header, Message, Reply

log = logging.getLogger(__name__)

ANNOUNCE_S = 0.5
"""The longest wait for the confirm of an announcement; a queue on a frozen node confirms none."""


class Pending:
    """A published operation that waits for its reply."""

    def __init__(
        self, provider: str, message: Message, *, safe: bool, deadline: float, opened: bool = True
    ) -> None:
        """`deadline` is in seconds of the Unix epoch; `opened` is false if a reply stays sealed."""
        self.provider = provider
        self.message = message
        self.safe = safe
        self.deadline = deadline
        self.opened = opened
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.is_confirmed = False

    def answer(self, reply: Reply) -> None:
        """Set the reply; only the first one counts."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, fault: Fault) -> None:
        """Set a fault, unless there is a reply."""
        if not self.reply.done():
            self.reply.set_exception(fault)

    def end(self) -> None:
        """Fail a call whose deadline has passed."""
        effect = "a query changes nothing" if self.safe else "it may or may not have taken effect"
        message = f"no reply to {self.message.type} within its deadline; {effect}"
        self.fail(Fault(Code.DEADLINE_EXCEEDED, message))


OnRefused = Callable[[str, Message, Fault], None]
"""Called for a command that the broker rejected, with its provider, its message and the fault."""


class Session:
    """The channels of one connection; queries never wait behind the bodies of commands."""

    def __init__(
        self,
        connection: Connection,
        group: asyncio.TaskGroup,
        replies: str,
        queries: Channel,
        commands: Channel,
        on_refused: OnRefused,
    ) -> None:
        self.connection = connection
        self.group = group
        self.replies = replies
        self.is_over = False
        self._queries = queries
        self._commands = commands
        self._on_refused = on_refused

    def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the calls; if it fails, the session ends for new calls at once."""
        self.group.create_task(self._watched(work))

    async def wait_over(self) -> None:
        """Wait until cancelled; in that step of the event loop the session ends for new calls."""
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

    def readdressed(self, pending: Pending) -> Message:
        """Return the message of a query for one more publish over this connection."""
        now = time.time()
        return msgspec.structs.replace(
            pending.message,
            message_id=uuid4().hex,
            reply_to=self.replies,
            expiration=max(1, int((pending.deadline - now) * 1000)),
            timestamp=int(now),
            user_id=self.connection.user,
        )

    def repeated(self, query: Pending, headers: dict[str, Header]) -> Pending:
        """Return a query once more, with other headers and the same deadline."""
        message = self.readdressed(query)
        message = msgspec.structs.replace(
            message, correlation_id=message.message_id, headers=message.headers | headers
        )
        deadline, opened = query.deadline, query.opened
        return Pending(query.provider, message, safe=True, deadline=deadline, opened=opened)

    async def announce(self, message: Message) -> None:
        """Publish an announcement, and wait until the queues of the other gateways have it."""
        try:
            async with asyncio.timeout(ANNOUNCE_S):
                await self._queries.publish(message, mandatory=False)
        except (TimeoutError, BrokerError) as error:
            log.info("an announcement to the gateways is not confirmed: %r", error)

    def publish(self, pending: Pending) -> None:
        """Publish an operation in the background; `pending` receives the result."""
        self.group.create_task(self._publish(pending))

    async def _publish(self, pending: Pending) -> None:
        channel = self._queries if pending.safe else self._commands
        try:
            with sending(pending.message):
                await channel.publish(propagating(pending.message), mandatory=True)
            pending.is_confirmed = True
        except Unroutable:
            fault = unattended(pending.provider) if pending.safe else without_partition(pending)
            pending.fail(fault)
        except Rejected:
            fault = Fault(
                Code.QUEUE_FULL,
                f"a queue of the provider {pending.provider!r} rejected the message: it is full, "
                "or has no leader at the moment",
            )
            pending.fail(fault)
            if not pending.safe:
                self._on_refused(pending.provider, pending.message, fault)
        except ConnectionLost as error:
            # The broker may have received the message: a query is published again, a command waits
            # for its reply.
            log.debug("no confirm of %s: %s", pending.message.message_id, error)
        except BrokerError:
            self.is_over = True
            raise


def unreachable(reason: str) -> Fault:
    """Return the fault for a call without a connection to the broker."""
    return Fault(Code.BROKER_UNREACHABLE, f"no connection to the broker: {reason}")


def unattended(provider: str) -> Fault:
    """Return the fault for a provider without a worker."""
    return Fault(Code.PROVIDER_UNATTENDED, f"no worker is attached for the provider {provider!r}")


def without_partition(pending: Pending) -> Fault:
    """Return the fault for an unroutable command, which has no effect."""
    return Fault(
        Code.PROVIDER_UNATTENDED,
        f"no partition of the provider {pending.provider!r} is bound for {pending.message.key}: "
        "its queue or binding is missing on the broker, see /ready",
    )
