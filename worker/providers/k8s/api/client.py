"""The client of one API server: limits, deadlines, failures, retries and paging."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import msgspec

from contracts.faults import Code, Fault
from contracts.observation import traces
from contracts.process.environment import ConfigurationError
from contracts.resources import Object
from worker.attempts import Attempts, Slots, time_left
from worker.provider import Call, PlatformRequest
from worker.providers.k8s.api import connection, errors
from worker.providers.k8s.api.credentials import Token, Trust
from worker.providers.k8s.api.errors import Absent, Again, Failure
from worker.providers.k8s.api.exchange import Exchange
from worker.providers.k8s.api.requests import (
    APPLY_PATCH,
    DELETED,
    JSON,
    MERGE_PATCH,
    WRITE,
    Answered,
    Request,
    decoded,
    deletion,
    is_deleted,
    target,
    warnings,
    written_version,
)
from worker.providers.k8s.api.retries import RetryBudget, needs_read
from worker.providers.k8s.api.spans import request_span
from worker.providers.k8s.api.transport import BEFORE_SENDING
from worker.providers.k8s.kinds import WATCHED
from worker.providers.k8s.objects import ListOf
from worker.providers.k8s.settings import Settings

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Item = TypeVar("Item")

PAGE = 500


class Client:
    """The connections to one API server, shared by all calls."""

    def __init__(self, settings: Settings, exchange: Exchange) -> None:
        self._exchange = exchange
        self.url = settings.k8s_rest_api_url
        # Requests wait for a slot: httpx's own queue for connections takes quadratic time.
        self._slots = Slots(settings.k8s_concurrency)

    def for_call(self, call: Call) -> "BoundClient":
        """Return the client bound to a call."""
        return BoundClient(self, call)

    def renew_credentials(self) -> None:
        """Read the token again, even if its file looks unchanged."""
        self._exchange.renew_credentials()

    async def attempt(self, request: Request, call: Call) -> Answered:
        """Send a request once and return the 2xx response, or raise its failure."""
        async with self._slots.slot(changes=request.changes):
            with call.request(request.method) as sent, request_span(request, self.url):
                return await self._send(request, call, sent)

    async def _send(self, request: Request, call: Call, sent: PlatformRequest) -> Answered:
        try:
            response = await self._exchange.open(
                request, _time_left(call), {BEFORE_SENDING: lambda: _time_left(call)}
            )
            try:
                await response.aread()
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            log.info("%s %s: %r", request.method, request.target, error)
            raise errors.of_connection(error) from error
        sent.status = str(response.status_code)
        traces.current().set("http.response.status_code", response.status_code)
        if response.is_success:
            return Answered(
                response.content, response.status_code, warnings=warnings(response.headers)
            )
        answer = response.status_code, response.headers, response.content
        raise errors.of_answer(request.method, *answer, request.target.partition("?")[0])

    @asynccontextmanager
    async def stream(self, request: Request, seconds: float) -> AsyncIterator[httpx.Response]:
        """Send a request once and open its response for at most some seconds, outside the slots.

        Raise the failure of a connection, or of a response other than 2xx.
        """
        try:
            async with aclosing(await self._exchange.open(request, seconds, {})) as response:
                if not response.is_success:
                    answer = response.status_code, response.headers, await response.aread()
                    path = request.target.partition("?")[0]
                    raise errors.of_answer(request.method, *answer, path)
                yield response
        except httpx.HTTPError as error:
            raise errors.of_connection(error) from error


def _time_left(call: Call) -> float:
    return time_left(call, "Kubernetes was asked")


class BoundClient:
    """A client bound to one call: sends and retries requests within the deadline of the call."""

    def __init__(self, client: Client, call: Call) -> None:
        self._client = client
        self._call = call
        self._attempts = Attempts()

    async def get(self, path: str, expected: type[Answer]) -> Answer:
        """Read one object."""
        return decoded(await self._send(Request("GET", path)), expected)

    async def list(
        self, path: str, expected: type[ListOf[Item]], selector: str | None = None
    ) -> list[Item]:
        """Read all objects of a collection that the label selector matches, page by page."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        items: list[Item] = []
        token: str | None = None
        budget = RetryBudget()
        while True:
            try:
                page = await self.get(target(path, query, token), expected)
            except Failure as failure:
                if failure.again is not Again.EXPIRED:
                    raise
                await self.wait(failure, budget)
                # The snapshot was compacted. A fresh continue token resumes after the last name
                # with the current state: no object is listed twice, and no existing object is
                # skipped. Without a fresh token the list starts again.
                token = failure.resume
                if token is None:
                    items.clear()
                continue
            items += page.items or ()
            token = page.metadata.token
            if not token:
                return items

    async def find(self, path: str) -> Object | None:
        """Read one object; return None if it is absent."""
        try:
            return await self.get(path, Object)
        except Absent:
            return None

    async def create(self, path: str, new: Object) -> Object:
        """Create an object. After a lost response the caller reads it before it retries."""
        request = Request("POST", target(path, WRITE), msgspec.json.encode(new), JSON)
        return decoded(await self._send(request), Object)

    async def patch(
        self,
        path: str,
        patch: Any,
        expected: type[Answer],
        media_type: str = MERGE_PATCH,
        *,
        names_version: bool = False,
    ) -> Answer:
        """Patch one object with absolute values, and return the changed object."""
        body = msgspec.json.encode(patch)
        request = Request("PATCH", target(path, WRITE), body, media_type, names_version)
        return decoded(await self._send(request), expected)

    async def apply(self, path: str, wanted: Object) -> tuple[Object, bool | None]:
        """Create or update an object by server-side apply, without reading it.

        Return the object, and whether it was created (None if a response was lost).
        """
        where = target(path, WRITE | {"force": "true"})
        request = Request("PATCH", where, msgspec.json.encode(wanted), APPLY_PATCH)
        answer = await self._send(request)
        return decoded(answer, Object), answer.created

    async def delete(self, path: str, uid: str | None = None) -> Object:
        """Delete one object and, in the background, the objects that it owns.

        With `uid`, a later object of the same name is kept and the deletion is a conflict.
        """
        return decoded(await self._send(deletion(path, uid)), Object)

    async def wait(self, failure: Failure, budget: RetryBudget) -> None:
        """Wait before a retry, or raise the fault of the call if there is no further retry."""
        pause = budget.pause(failure, self._call.left())
        if pause is None and failure.again is Again.CONFLICT:
            raise Fault(
                Code.PLATFORM_FAILED, f"other clients kept changing the object: {failure.message}"
            ) from failure
        await self._attempts.wait(failure, pause)
        self._call.retried(failure.code)

    async def _send(self, request: Request) -> Answered:
        budget = RetryBudget()
        arrived = False
        while True:
            try:
                answer = await self._client.attempt(request, self._call)
            except Failure as failure:
                if request.method == "DELETE" and arrived and is_deleted(failure):
                    self._report(request, deleted := Answered(DELETED, 200, repeated=True))
                    return deleted
                arrived |= failure.arrived
                self._attempts.count(changes=request.changes, arrived=failure.arrived)
                if failure.again in needs_read(request):
                    raise
                await self.wait(failure, budget)
                if failure.again is Again.UNAUTHORIZED:
                    self._client.renew_credentials()
            else:
                self._attempts.count(changes=request.changes)
                self._report(request, answer)
                return answer._replace(repeated=arrived)

    def _report(self, request: Request, answer: Answered) -> None:
        """Report the warnings and the version of a write."""
        if not request.changes:
            return
        for text in answer.warnings:
            self._call.warn(text)
        written = written_version(request, answer)
        if written is not None and written[0] in WATCHED:
            self._call.wrote(*written)


@asynccontextmanager
async def connect(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Client]:
    """Open a client of the configured API server; the environment may name a proxy."""
    token = Token(settings.k8s_token_path) if settings.k8s_auth_type == "token" else None
    trust = Trust(settings)
    try:
        httpx.URL(settings.k8s_rest_api_url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(
            f"PLT_K8S_REST_API_URL: expected a URL such as https://host:port: {error}"
        ) from error
    async with transport or connection.transport(settings, trust, environment) as opened:
        yield Client(settings, Exchange(settings, opened, token, trust))
