"""The ASGI application: logs a request, injects faults, asks the API and sends the answer."""

import asyncio
import gzip
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from deploy.sandbox.control import LOOK_S, PREFIX, Calls, Control
from deploy.sandbox.kubernetes.api import Api
from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.faults import Fault, Faults
from deploy.sandbox.kubernetes.listener import CONNECTION
from deploy.sandbox.kubernetes.messages import Answer, Request
from deploy.sandbox.kubernetes.store import Change, Store
from deploy.sandbox.kubernetes.watching import Watch

COMPRESSED_FROM = 128 * 1024
_FIXED_HEADERS = [
    (b"cache-control", b"no-cache, private"),
    (b"x-kubernetes-pf-flowschema-uid", b"00000000-0000-4000-8000-000000000001"),
    (b"x-kubernetes-pf-prioritylevel-uid", b"00000000-0000-4000-8000-000000000002"),
]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class AsgiApplication:
    def __init__(
        self,
        api: Api,
        store: Store,
        calls: Calls[Call],
        faults: Faults[...],
        reset: Callable[[], None],
    ) -> None:
        self._api = api
        self._store = store
        self._calls = calls
        self._faults = faults
        self._control = Control(calls, faults, reset)
        self._due: Callable[[], float | None] = lambda: None
        self._advance: Callable[[], None] = lambda: None
        self.stopping = asyncio.Event()

    def when_due(self, seconds: Callable[[], float | None], advance: Callable[[], None]) -> None:
        """Tell open watches when the controllers act without a request."""
        self._due, self._advance = seconds, advance

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["raw_path"].decode("latin-1")
        if path.startswith(PREFIX):
            answer = self._control.answer(scope["method"], path, await _body(receive))
            await _send(send, Answer(*answer), {})
            return
        await self._serve(scope, path, receive, send)

    async def _serve(self, scope: dict[str, Any], path: str, receive: Receive, send: Send) -> None:
        connection = CONNECTION.get()
        if connection.draining:
            # A request after GOAWAY is neither acted on nor answered.
            return connection.cut()
        connection.requests += 1
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        method = scope["method"]
        # Logged on arrival, so that a test sees a request that a fault delays.
        agent = headers.get("user-agent", "")
        call = Call(method, path, query, scope["http_version"], user_agent=agent)
        self._calls.append(call)
        fault = self._faults.take(call)
        if fault is not None and fault.disconnect == "before" and not fault.delay:
            return self._cut(call)
        body = await _body(receive)
        call.body = None if method in {"GET", "HEAD"} else body
        certificate_user = connection.certificate_user
        request = Request(method, path, query, headers, body, certificate_user)
        answer = await self._decide(call, fault, request)
        if answer is None:
            return None
        if isinstance(answer, Watch):
            return await self._stream(call, answer, receive, send)
        call.answered(answer.status)
        await _send(send, answer, headers)
        if fault is not None and fault.goaway and scope["http_version"] == "2":
            connection.send_goaway()
        return None

    async def _decide(
        self, call: Call, fault: Fault | None, request: Request
    ) -> Answer | Watch | None:
        """Return the answer, or None after the connection was cut."""
        if fault is None:
            return self._api.answer(request)
        while (rest := fault.rest(call.t_start)) > 0:  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(min(rest, LOOK_S))
        if fault.disconnect == "before":
            return self._cut(call)
        if fault.status is not None:
            media_type = fault.headers.get("content-type", "application/json")
            return Answer(fault.status, fault.content, media_type, fault.headers)
        answer = self._api.answer(request)
        return self._cut(call) if fault.disconnect == "after" else answer

    @staticmethod
    def _cut(call: Call) -> None:
        call.answered(None)
        CONNECTION.get().cut()

    async def _stream(self, call: Call, watch: Watch, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def notify(_: Change) -> None:
            loop.call_soon_threadsafe(changed.set)

        stop = self._store.listen(notify)
        await send(_start(Answer(200), {}, None))
        try:
            # Without events to send, only receiving detects that the client has gone.
            async with asyncio.timeout(watch.seconds), asyncio.TaskGroup() as group:
                gone = group.create_task(_until_gone(receive))
                while not (gone.done() or self.stopping.is_set()):
                    changed.clear()
                    self._advance()
                    for event in watch.events():
                        await send(_part(event, more=True))
                    if watch.ended:
                        break
                    await self._pause(changed, gone, watch.rest)
                gone.cancel()
        except TimeoutError:
            # The end of timeoutSeconds is the regular end of a watch.
            gone.cancel()
        finally:
            stop()
            call.answered(200)
        await send(_part(b"", more=False))

    async def _pause(
        self, changed: asyncio.Event, gone: asyncio.Task[None], rest: float | None
    ) -> None:
        """Wait for a change, a due controller or bookmark, the end of the client or the server."""
        due = [each for each in (self._due(), rest) if each is not None]
        waits = [asyncio.ensure_future(event.wait()) for event in (changed, self.stopping)]
        try:
            await asyncio.wait(
                [*waits, gone], timeout=min(due, default=None), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, answer: Answer, asked: dict[str, str]) -> None:
    body, encoding = answer.body, None
    # The API server compresses from 128 KiB on, at the fastest level.
    if len(body) > COMPRESSED_FROM and "gzip" in asked.get("accept-encoding", ""):
        body, encoding = gzip.compress(body, compresslevel=1), "gzip"
    await send(_start(answer, asked, len(body), encoding))
    await send(_part(body, more=False))


def _start(
    answer: Answer, asked: dict[str, str], length: int | None, encoding: str | None = None
) -> dict[str, Any]:
    headers = {
        "audit-id": asked.get("audit-id") or str(uuid.uuid4()),
        "content-type": answer.media_type,
        **answer.headers,
    }
    if length is not None:
        headers["content-length"] = str(length)
    if encoding is not None:
        headers |= {"content-encoding": encoding, "vary": "Accept-Encoding"}
    listed = [(name.encode("latin-1"), text.encode("utf-8")) for name, text in headers.items()]
    return {
        "type": "http.response.start",
        "status": answer.status,
        "headers": _FIXED_HEADERS + listed,
    }


def _part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
