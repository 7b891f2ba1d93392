"""Talks to one API server: connections, credentials, limits, repeats and pages; knows no kinds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import msgspec

from contracts import VERSION
from contracts.environment import ConfigurationError
from contracts.faults import NOT_ATTEMPTED, Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.k8s import connection, errors
from worker.providers.k8s.credentials import Token, Trust
from worker.providers.k8s.errors import Absent, Again, Failure
from worker.providers.k8s.objects import ListOf
from worker.providers.k8s.requests import (
    APPLY_PATCH,
    GONE,
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
)
from worker.providers.k8s.retries import Patience, needs_look
from worker.providers.k8s.settings import Settings
from worker.providers.k8s.transport import BEFORE_SENDING

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Item = TypeVar("Item")

PAGE = 500


class Client:
    """One API server."""

    def __init__(
        self, settings: Settings, http: httpx.AsyncClient, token: Token | None, trust: Trust
    ) -> None:
        self._http = http
        self._token = token
        self._trust = trust
        self._connect_timeout = settings.k8s_connect_timeout_ms / 1000
        # httpx's own queue for connections takes quadratic time: it must never grow. Changes that
        # hang, as with an admission webhook that does, leave what only reads its own places.
        self._reading = asyncio.Semaphore(settings.k8s_concurrency)
        self._changing = asyncio.Semaphore(settings.k8s_concurrency)

    def during(self, call: Call) -> "Conversation":
        """The requests of one call."""
        return Conversation(self, call)

    def renew_credentials(self) -> None:
        """Read the token again, whether its file looks changed or not."""
        if self._token is not None:
            self._token.renew()

    async def attempt(self, request: Request, call: Call) -> Answered:
        """Send a request once and return a 2xx, or raise the failure that it was."""
        async with self._changing if request.changes else self._reading:
            try:
                response = await self._http.request(
                    request.method,
                    request.target,
                    content=request.body,
                    headers=self._headers(request),
                    timeout=self._timeout(call),
                    extensions={BEFORE_SENDING: lambda: _refuse_late(call)},
                )
            except httpx.HTTPError as error:
                log.info("%s %s: %r", request.method, request.target, error)
                raise errors.of_connection(error) from error
        if response.is_success:
            return Answered(
                response.content, response.status_code, warnings=warnings(response.headers)
            )
        said = response.status_code, response.headers, response.content
        raise errors.of_answer(request.method, *said, request.target.partition("?")[0])

    def _headers(self, request: Request) -> dict[str, str]:
        self._trust.refresh()
        headers = {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.text()}"
        if request.content_type is not None:
            headers["Content-Type"] = request.content_type
        return headers

    def _timeout(self, call: Call) -> httpx.Timeout:
        left = _refuse_late(call)
        return httpx.Timeout(left, connect=min(left, self._connect_timeout))


def _refuse_late(call: Call) -> float:
    """Return the seconds that are left; raise when the deadline or the ownership has passed."""
    left = call.left()
    if left <= 0:
        raise Fault(Code.DEADLINE_EXCEEDED, "the deadline passed before Kubernetes was asked")
    return left


class Conversation:
    """The requests of one call, within its deadline; knows whether one may have had an effect."""

    def __init__(self, client: Client, call: Call) -> None:
        self._client = client
        self._call = call
        self._changed = False

    async def get(self, path: str, expected: type[Answer]) -> Answer:
        """Read one object."""
        return decoded(await self._send(Request("GET", path)), expected)

    async def list(
        self, path: str, expected: type[ListOf[Item]], selector: str | None = None
    ) -> list[Item]:
        """Read all objects of a collection that the label selector fits, page by page."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        items: list[Item] = []
        token: str | None = None
        patience = Patience()
        while True:
            try:
                page = await self.get(target(path, query, token), expected)
            except Failure as failure:
                if failure.again is not Again.EXPIRED:
                    raise
                await self.wait(failure, patience)
                # The snapshot was compacted away. A fresh token goes on after the last name, as
                # things are now: nothing comes twice, nothing that stayed is left out. Without one
                # the list starts again.
                token = failure.resume
                if token is None:
                    items.clear()
                continue
            items += page.items or ()
            token = page.metadata.token
            if not token:
                return items

    async def find(self, path: str) -> Object | None:
        """Read one object, None when it is absent."""
        try:
            return await self.get(path, Object)
        except Absent:
            return None

    async def create(self, path: str, new: Object) -> Object:
        """Make an object. Never repeated here: whoever lost the answer has to look first."""
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
        """Change one object by a patch of absolute values, and return it as it is then."""
        body = msgspec.json.encode(patch)
        request = Request("PATCH", target(path, WRITE), body, media_type, names_version)
        return decoded(await self._send(request), expected)

    async def apply(self, path: str, wanted: Object) -> tuple[Object, bool | None]:
        """Create or update by server-side apply, which reads nothing.

        Tells whether the object was created, None where an answer was lost.
        """
        where = target(path, WRITE | {"force": "true"})
        request = Request("PATCH", where, msgspec.json.encode(wanted), APPLY_PATCH)
        answer = await self._send(request)
        return decoded(answer, Object), answer.created

    async def delete(self, path: str, uid: str | None = None) -> Object:
        """Delete one object and, in the background, all that it owns.

        With `uid` a later object of the same name stays, and is a conflict.
        """
        return decoded(await self._send(deletion(path, uid)), Object)

    async def wait(self, failure: Failure, patience: Patience) -> None:
        """Wait until it makes sense to try again after a failure, or raise what it means."""
        pause = patience.pause(failure, self._call.left())
        if pause is None:
            self._give_up(failure)
            raise failure
        await asyncio.sleep(pause)

    async def _send(self, request: Request) -> Answered:
        patience = Patience()
        arrived = False
        while True:
            try:
                answer = await self._client.attempt(request, self._call)
            except Failure as failure:
                if request.method == "DELETE" and arrived and is_deleted(failure):
                    return Answered(GONE, 200, repeated=True)
                arrived |= failure.arrived
                self._changed |= failure.arrived and request.changes
                if failure.again in needs_look(request):
                    raise
                await self.wait(failure, patience)
                if failure.again is Again.UNAUTHORIZED:
                    self._client.renew_credentials()
            else:
                self._changed |= request.changes
                for text in answer.warnings if request.changes else ():
                    self._call.warn(text)
                return answer._replace(repeated=arrived)

    def _give_up(self, failure: Failure) -> None:
        """Raise what a failure means for the whole call, where that is not the failure itself."""
        if failure.again is Again.CONFLICT:
            raise Fault(
                Code.PLATFORM_FAILED, f"others changed it all the time: {failure.message}"
            ) from failure
        if self._changed and failure.status in NOT_ATTEMPTED:
            # An earlier request may have had its effect, so this must not promise that none had.
            raise Fault(
                Code.PLATFORM_FAILED,
                f"it may have been done in part or whole before this: {failure.message}",
            ) from failure


@asynccontextmanager
async def connect(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Client]:
    """A client for the configured API server; leaving the context closes its connections.

    The environment says which proxy leads to it.
    """
    token = Token(settings.k8s_token_path) if settings.k8s_auth_type == "token" else None
    trust = Trust(settings)
    try:
        http = httpx.AsyncClient(
            base_url=settings.k8s_rest_api_url,
            headers={"Accept": "application/json", "User-Agent": f"machinist/{VERSION}"},
            transport=transport or connection.transport(settings, trust, environment),
            trust_env=False,
        )
    except httpx.InvalidURL as error:
        raise ConfigurationError(
            f"PLT_K8S_REST_API_URL: expected a URL such as https://host:port: {error}"
        ) from error
    async with http:
        yield Client(settings, http, token, trust)
