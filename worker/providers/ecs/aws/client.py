"""The AWS client: connections, credentials, rate limits, retries and pages.

ECS has no preconditions: UpdateService has no parameter for the expected version of the service,
and idempotency tokens exist only for creations. ECS cannot refuse a late request, as the Kubernetes
API server can, so only the fence of the worker protects its successor from a frozen worker. The
fence is checked before each request, and a request is one write: aiobotocore 2.25
over aiohttp 3.14 sends head and body of UpdateService together (strace: one write of 780 bytes,
one of 20,810 for a task definition), so a frozen worker has sent a request whole or not at all.

Two cases remain. A worker may freeze between the fence check and the write, while it signs or
connects, and wake up after its successor has changed the service. And a request that was written
may still be on the network when the successor starts. In both cases the older desired count stays
until the next command for that service.
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
from worker.provider import Call, PlatformRequest
from worker.providers.ecs.aws import errors, library_errors, session
from worker.providers.ecs.aws.credentials import Credentials, Unavailable
from worker.providers.ecs.aws.error_codes import KNOWN
from worker.providers.ecs.aws.errors import Again, Failure
from worker.providers.ecs.aws.limits import Limits
from worker.providers.ecs.aws.retries import RetryBudget
from worker.providers.ecs.aws.spans import action_span, note_status
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
    "iam": "iam",
    "sts": "sts",
}
"""The client library's names of services, by the prefix of IAM's actions."""

TOKENS = {
    "ecs": ("nextToken", "nextToken"),
    "tag": ("PaginationToken", "PaginationToken"),
    "elasticloadbalancing": ("NextMarker", "Marker"),
    "secretsmanager": ("NextToken", "NextToken"),
    "servicediscovery": ("NextToken", "NextToken"),
    "iam": ("Marker", "Marker"),
}
"""The fields of the pagination token in an answer and in the next request."""

READS = ("Describe", "Get", "List", "Simulate")


class Client:
    """The AWS APIs of one region of one account."""

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
        # Requests wait for a slot and not for a connection: the deadline is checked after the wait.
        self._slots = Slots(settings.ecs_concurrency)

    def for_call(self, call: Call) -> "BoundClient":
        """Return a client for the requests of one call."""
        return BoundClient(self, call)

    async def attempt(self, action: str, parameters: Parameters, call: Call) -> Any:
        """Send a request once; return the answer of a 2xx, otherwise raise Failure."""
        async with self._slots.slot(changes=_changes(action)):
            overdue = errors.credentials_overdue
            try:
                async with asyncio.timeout(_left(action, call)):
                    await self._credentials.get_frozen_credentials()
                    # A renewal may have taken a while, and the fence may have closed since.
                    _left(action, call)
                    overdue = errors.overdue
                    with (
                        call.request(action) as sent,
                        action_span(action, self.settings.ecs_region),
                    ):
                        return await self._send(action, parameters, sent)
            except TimeoutError as error:
                raise overdue(action) from error
            except Unavailable as error:
                raise errors.no_credentials(str(error)) from error

    async def _send(self, action: str, parameters: Parameters, sent: PlatformRequest) -> Any:
        prefix, _, name = action.partition(":")
        method = getattr(self._services[SERVICES[prefix]], xform_name(name))
        try:
            answer = await method(**parameters)
        except ClientError as error:
            note_status(error.response)
            failure = errors.of_answer(action, parameters, error)
            sent.status = failure.aws_code if failure.aws_code in KNOWN else failure.code.value
            raise failure from error
        except Unavailable:
            raise
        except Exception as error:
            # Every exception of the library is a failure of one request.
            failure = library_errors.failure(action, error)
            log.info("%s: %s (%s)", action, failure.message, type(error).__name__)
            raise failure from error
        note_status(answer)
        sent.status = "200"
        return answer


class BoundClient:
    """A client bound to one call and its deadline; counts requests that may have had an effect."""

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
        """Request an action in IAM's spelling, such as `ecs:DescribeTasks`.

        `repeat` is true if the action is idempotent, so that it may be retried after a lost answer.
        Raises Failure, or Fault if an earlier request of the call may have had an effect.
        """
        return _converted(action, await self._with_retries(action, parameters, repeat), expected)

    async def pages(
        self, action: str, expected: type[Answer], **parameters: Any
    ) -> AsyncIterator[Answer]:
        """Yield each page of a list."""
        out, back = TOKENS[action.partition(":")[0]]
        token = None
        while True:
            page = await self._with_retries(action, parameters, repeat=True)
            yield _converted(action, page, expected)
            previous, token = token, page.get(out)
            if not token:
                return
            if not isinstance(token, str):
                raise errors.unexpected(action, f"its {out} is not a text")
            if token == previous:
                raise errors.unexpected(action, f"its {out} is the same as before")
            parameters[back] = token

    async def _with_retries(self, action: str, parameters: Parameters, repeat: bool) -> Any:
        budget = RetryBudget(self._client.settings)
        changes = _changes(action)
        lost = False
        while True:
            await self._wait_for_rate(action)
            try:
                answer = await self._client.attempt(action, parameters, self._call)
            except Failure as failure:
                failure.after_loss = lost
                lost |= failure.arrived
                self._attempts.count(changes=changes, arrived=failure.arrived)
                if failure.code is Code.PLATFORM_LIMITING:
                    self._client.limits.throttled(action)
                await self._wait_for_retry(failure, budget, repeat)
            else:
                self._attempts.count(changes=changes)
                return answer

    async def _wait_for_rate(self, action: str) -> None:
        """Wait for the rate limit, or raise if that takes longer than the deadline."""
        limits, left = self._client.limits, _left(action, self._call)
        wait = limits.wait(action)
        if wait >= left:
            self._attempts.give_up(
                Failure(
                    Code.PLATFORM_LIMITING,
                    f"AWS's rate limit allows no {action} for {wait:.1f} seconds; it was not sent",
                    retry_after=max(1, round(wait)),
                )
            )
        delay = limits.take(action)
        try:
            await asyncio.sleep(delay)
        except asyncio.CancelledError:
            limits.give_back(action)
            raise

    async def _wait_for_retry(self, failure: Failure, budget: RetryBudget, repeat: bool) -> None:
        """Wait before a retry, or raise the fault of the call if no retry is allowed."""
        pause = budget.pause(failure, self._call.left())
        if failure.again is Again.LOST and not repeat:
            pause = None
        await self._attempts.wait(failure, pause)
        self._call.retried(failure.code)


@asynccontextmanager
async def connect(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Client]:
    """Open a client for the configured region; leaving the context closes its connections.

    The environment contains the credentials or names their source.
    """
    async with AsyncExitStack() as stack:
        opened, credentials = await session.open_services(
            stack, settings, environment, SERVICES.values()
        )
        yield Client(settings, opened, credentials)


def _changes(action: str) -> bool:
    """Return whether an action may have an effect."""
    return not action.partition(":")[2].startswith(READS)


def _left(action: str, call: Call) -> float:
    return time_left(call, f"AWS was asked {action}")


def _converted(action: str, answer: Any, expected: type[Answer]) -> Answer:
    try:
        return msgspec.convert(answer, expected)
    except msgspec.ValidationError as error:
        raise errors.unexpected(action, str(error)) from error
