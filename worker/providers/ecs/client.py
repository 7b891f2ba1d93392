"""Talks to AWS: connections, credentials, rates, repeats and pages; knows no services and tasks.

ECS has no precondition: UpdateService names no version that the service must still have, and its
idempotency tokens are for creations. So the platform cannot refuse a request that arrives late, as
the Kubernetes API server can, and only the fence of the worker stands between a frozen worker and
its successor. The fence is asked before each request, and a request is one write: aiobotocore 2.25
over aiohttp 3.14 sends head and body of UpdateService together (strace: one write of 780 bytes,
one of 20,810 for a task definition), so a frozen worker has sent a request whole or not at all.

What remains: a worker that is frozen between the answer of the fence and the write, which takes as
long as signing and, at times, connecting, and wakes up after its successor changed the service;
and a request that was written but is still on its way through the network. The older desired count
then stands until the next command for that service.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import msgspec
from botocore import xform_name
from botocore.exceptions import ClientError

from contracts.faults import Code
from worker.attempts import Attempts, Slots, time_left
from worker.provider import Call
from worker.providers.ecs import errors, library_errors, session
from worker.providers.ecs.credentials import Credentials, Unavailable
from worker.providers.ecs.errors import Again, Failure
from worker.providers.ecs.limits import Limits
from worker.providers.ecs.retries import Patience
from worker.providers.ecs.settings import Settings

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Parameters = Mapping[str, Any]

SERVICES = {
    "ecs": "ecs",
    "tag": "resourcegroupstaggingapi",
    "elasticloadbalancing": "elbv2",
    "secretsmanager": "secretsmanager",
    "servicediscovery": "servicediscovery",
}
"""By the prefix of IAM's actions, what the client library calls the service."""

TOKENS = {
    "ecs": ("nextToken", "nextToken"),
    "tag": ("PaginationToken", "PaginationToken"),
    "elasticloadbalancing": ("NextMarker", "Marker"),
    "secretsmanager": ("NextToken", "NextToken"),
    "servicediscovery": ("NextToken", "NextToken"),
}
"""Where an answer says that a list goes on, and where the next request repeats that."""

READS = ("Describe", "Get", "List")


class Client:
    """One region of one account's AWS."""

    def __init__(
        self,
        settings: Settings,
        services: Mapping[str, Any],
        credentials: Credentials,
        limits: Limits | None = None,
    ) -> None:
        """`services` are the client library's clients by its own names; they use `credentials`."""
        self._credentials = credentials
        self.settings = settings
        self.limits = limits or Limits()
        self._services = services
        # Requests wait for a slot and not for a connection, and look at their deadline after it.
        self._slots = Slots(settings.ecs_concurrency)

    def during(self, call: Call) -> "Conversation":
        """The requests of one call."""
        return Conversation(self, call)

    async def attempt(self, action: str, parameters: Parameters, call: Call) -> Any:
        """Send a request once and return the answer of a 2xx, or raise the failure that it was."""
        async with self._slots.slot(changes=_changes(action)):
            overdue = errors.credentials_overdue
            try:
                async with asyncio.timeout(_left(action, call)):
                    await self._credentials.get_frozen_credentials()
                    # That may have taken a while: the run need not be ours any more.
                    _left(action, call)
                    overdue = errors.overdue
                    return await self._send(action, parameters)
            except TimeoutError as error:
                raise overdue(action) from error
            except Unavailable as error:
                raise errors.no_credentials(str(error)) from error

    async def _send(self, action: str, parameters: Parameters) -> Any:
        prefix, _, name = action.partition(":")
        method = getattr(self._services[SERVICES[prefix]], xform_name(name))
        try:
            return await method(**parameters)
        except ClientError as error:
            raise errors.of_answer(action, parameters, error) from error
        except Unavailable:
            raise
        except Exception as error:
            # The library is a boundary: whatever it raises is a failure of one request.
            failure = library_errors.failure(action, error)
            log.info("%s: %s (%s)", action, failure.message, type(error).__name__)
            raise failure from error


class Conversation:
    """The requests of one call, within its deadline; knows whether one may have had an effect."""

    def __init__(self, client: Client, call: Call) -> None:
        self._client = client
        self._call = call
        self._attempts = Attempts()

    @property
    def effects(self) -> int:
        """The number of requests that had an effect or may have had one."""
        return self._attempts.effects

    async def ask(
        self, action: str, expected: type[Answer], *, repeat: bool = True, **parameters: Any
    ) -> Answer:
        """Ask for an action in IAM's spelling, such as `ecs:DescribeTasks`.

        `repeat` says that doing it twice has one effect, so that it may be asked for again when
        its answer is lost. Raises Failure, or Fault where that would claim too much.
        """
        return _converted(action, await self._persist(action, parameters, repeat), expected)

    async def pages(
        self, action: str, expected: type[Answer], **parameters: Any
    ) -> AsyncIterator[Answer]:
        """Each page of a list, until AWS says that there are no more."""
        out, back = TOKENS[action.partition(":")[0]]
        token = None
        while True:
            page = await self._persist(action, parameters, repeat=True)
            yield _converted(action, page, expected)
            previous, token = token, page.get(out)
            if not token:
                return
            if not isinstance(token, str):
                raise errors.nonsense(action, f"its {out} is no text")
            if token == previous:
                raise errors.nonsense(action, "its next page is the same again")
            parameters[back] = token

    async def _persist(self, action: str, parameters: Parameters, repeat: bool) -> Any:
        patience = Patience(self._client.settings)
        changes = _changes(action)
        lost = False
        while True:
            await self._pass(action)
            try:
                answer = await self._client.attempt(action, parameters, self._call)
            except Failure as failure:
                failure.after_loss = lost
                lost |= failure.arrived
                self._attempts.count(changes=changes, arrived=failure.arrived)
                if failure.code is Code.PLATFORM_LIMITING:
                    self._client.limits.throttled(action)
                await self._wait(failure, patience, repeat)
            else:
                self._attempts.count(changes=changes)
                return answer

    async def _pass(self, action: str) -> None:
        """Wait for the rate that AWS allows, or raise where that is past the deadline."""
        limits, left = self._client.limits, _left(action, self._call)
        wait = limits.wait(action)
        if wait >= left:
            self._attempts.give_up(
                Failure(
                    Code.PLATFORM_LIMITING,
                    f"AWS allows no more {action} for {wait:.1f} seconds; it was not asked",
                    retry_after=max(1, round(wait)),
                )
            )
        delay = limits.take(action)
        try:
            await asyncio.sleep(delay)
        except asyncio.CancelledError:
            limits.give_back(action)
            raise

    async def _wait(self, failure: Failure, patience: Patience, repeat: bool) -> None:
        """Wait before a retry, or raise the fault of the call if there is to be none."""
        pause = patience.pause(failure, self._call.left())
        if failure.again is Again.LOST and not repeat:
            pause = None
        await self._attempts.wait(failure, pause)


@asynccontextmanager
async def connect(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Client]:
    """A client for the configured region; leaving the context closes its connections.

    The environment holds the credentials, or says where they are.
    """
    async with AsyncExitStack() as stack:
        opened, credentials = await session.open_services(
            stack, settings, environment, SERVICES.values()
        )
        yield Client(settings, opened, credentials)


def _changes(action: str) -> bool:
    """Whether an action may have an effect."""
    return not action.partition(":")[2].startswith(READS)


def _left(action: str, call: Call) -> float:
    return time_left(call, f"AWS was asked {action}")


def _converted(action: str, answer: Any, expected: type[Answer]) -> Answer:
    try:
        return msgspec.convert(answer, expected)
    except msgspec.ValidationError as error:
        raise errors.nonsense(action, str(error)) from error
