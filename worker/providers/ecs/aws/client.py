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
from typing import Any, NoReturn, TypeVar

import msgspec
from botocore import xform_name
from botocore.exceptions import ClientError

from contracts.faults import NOT_ATTEMPTED, Code, Fault
from worker.provider import Call
from worker.providers.ecs.aws import errors, library_errors, session
from worker.providers.ecs.aws.credentials import Credentials, Unavailable
from worker.providers.ecs.aws.errors import Again, Failure
from worker.providers.ecs.aws.limits import Limits
from worker.providers.ecs.aws.retries import Patience
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
        # Requests wait here and not for a connection: whoever leaves asks for its deadline then.
        # Changes that hang leave what only reads its own places.
        self._reading = asyncio.Semaphore(settings.ecs_concurrency)
        self._changing = asyncio.Semaphore(settings.ecs_concurrency)

    def for_call(self, call: Call) -> "BoundClient":
        """The requests of one call."""
        return BoundClient(self, call)

    async def attempt(self, action: str, parameters: Parameters, call: Call) -> Any:
        """Send a request once and return the answer of a 2xx, or raise the failure that it was."""
        async with self._changing if _changes(action) else self._reading:
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


class BoundClient:
    """The requests of one call, within its deadline; knows whether one may have had an effect."""

    def __init__(self, client: Client, call: Call) -> None:
        self._client = client
        self._call = call
        self.effects = 0
        """How many attempts to change something had an effect or may have had one."""

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
                self.effects += failure.arrived and changes
                if failure.code is Code.PLATFORM_LIMITING:
                    self._client.limits.throttled(action)
                await self._wait(failure, patience, repeat)
            else:
                self.effects += changes
                return answer

    async def _pass(self, action: str) -> None:
        """Wait for the rate that AWS allows, or raise where that is past the deadline."""
        limits, left = self._client.limits, _left(action, self._call)
        wait = limits.wait(action)
        if wait >= left:
            self._give_up(
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
        """Wait until it makes sense to try again after a failure, or raise what it means."""
        pause = patience.pause(failure, self._call.left())
        if pause is None or (failure.again is Again.LOST and not repeat):
            self._give_up(failure)
        await asyncio.sleep(pause)

    def _give_up(self, failure: Failure) -> NoReturn:
        """Raise what a failure means for the whole call."""
        if self.effects and failure.status in NOT_ATTEMPTED:
            # An earlier request may have had its effect, so this must not promise that none had.
            raise Fault(
                Code.PLATFORM_FAILED,
                f"it may have been done in part or whole before this: {failure.message}",
            ) from failure
        raise failure


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
    left = call.left()
    if left <= 0:
        raise Fault(Code.DEADLINE_EXCEEDED, f"the deadline passed before AWS was asked {action}")
    return left


def _converted(action: str, answer: Any, expected: type[Answer]) -> Answer:
    try:
        return msgspec.convert(answer, expected)
    except msgspec.ValidationError as error:
        raise errors.nonsense(action, str(error)) from error
