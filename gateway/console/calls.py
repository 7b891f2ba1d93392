"""Calls operations with the messages of a gateway, over a connection for one console command."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

from contracts.broker.attendance import Attendance
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared, Refused
from contracts.broker.reconnecting import ReconnectingConnection, Session
from contracts.faults import Fault
from contracts.operation import Operation
from contracts.process.environment import Secret
from contracts.seal import Seals
from contracts.wire import Message, Reply, reply_of
from gateway.console.broker import CONNECT_S, environment
from gateway.console.failures import Failure
from gateway.context import NOTHING, Context
from gateway.rpc import Rpc

log = logging.getLogger(__name__)

DEADLINES_MS = (10_000, 30_000)
"""The deadlines of queries and of commands, which are the defaults of a gateway."""


def reply_to(
    name: str, provider: str, operation: Operation[Any], context: Context = NOTHING
) -> Reply:
    """Return the reply to an operation, for the command `name`; raises as `with_rpc` does."""
    replies: list[Reply] = []

    async def call(rpc: Rpc) -> None:
        try:
            replies.append(await rpc.call(provider, operation, context))
        except Fault as fault:
            replies.append(reply_of(fault, context.command_id))

    with_rpc(name, call)
    return replies[0]


def with_rpc(
    name: str,
    work: Callable[[Rpc], Awaitable[None]],
    seals: Seals | None = None,
    *,
    in_flight: int = 1,
) -> None:
    """Run the work of the command `name` with remote procedure calls on the environment's broker.

    `seals` are for operations with a sealed body, `in_flight` is the limit of concurrent calls.
    Raises ConfigurationError, and as `call_with`.
    """
    urls, known = environment().amqp_url, seals or Seals([])
    asyncio.run(call_with(urls, f"machinist {name}", work, known, in_flight=in_flight))


class Link(ReconnectingConnection):
    """A connection that tells when it is ready, and which right its user lacks."""

    def __init__(self, urls: Secret, name: str) -> None:
        super().__init__(urls, name)
        self.became_ready = asyncio.Event()
        self.lacking: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ready(self) -> None:
        """Mark the connection as up."""
        super().ready()
        self.became_ready.set()

    async def serve(self, session: Session) -> None:
        """Run a session on one connection after another, unless its user lacks a right."""

        async def until_refused(connection: Connection) -> None:
            try:
                await session(connection)
            except* (NotDeclared, Refused) as errors:
                self.lacking.set_exception(errors.exceptions[0])

        await self.run(until_refused)


async def call_with(
    urls: Secret,
    name: str,
    work: Callable[[Rpc], Awaitable[None]],
    seals: Seals,
    *,
    in_flight: int = 1,
) -> None:
    """Run work that makes calls; a lost connection is reopened, as a gateway does.

    Raises Failure if there is no connection within `CONNECT_S`, if an exchange does not exist, or
    if the user lacks a right; exceptions of the work are raised unchanged.
    """
    link = Link(urls, name)
    rpc = Rpc(
        uuid4().hex[:12],
        link,
        Attendance(()),
        seals,
        deadlines_ms=DEADLINES_MS,
        in_flight=in_flight,
        on_refused=_leave_to_the_caller,
        checks=None,
    )
    serving = asyncio.create_task(link.serve(rpc.session))
    working = asyncio.create_task(_connected(link, partial(work, rpc)))
    tasks = (working, link.lacking, serving)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await next(each for each in tasks if each.done())
    except (NotDeclared, Refused) as error:
        raise Failure(f"this user cannot make calls: {error}") from error
    finally:
        for task in tasks:
            task.cancel()
        # Not the connection: a cancellation while it is lost may be ignored.
        await asyncio.gather(working, link.lacking, return_exceptions=True)


async def _connected(link: Link, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work once there is a connection; raise Failure if there is none in time."""
    try:
        async with asyncio.timeout(CONNECT_S):
            await link.became_ready.wait()
    except TimeoutError as error:
        raise Failure(f"no connection to the broker: {link.reason}") from error
    await work()


def _leave_to_the_caller(provider: str, command: Message, fault: Fault) -> None:
    """Record nothing: the operator sees the fault, and may not publish outcomes."""
    log.debug("%s of %s was refused: %s", command.type, provider, fault)
