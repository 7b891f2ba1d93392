"""The stream of server-sent events of one viewer: the state, and the outcomes as they arrive."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import msgspec
from litestar.enums import HttpMethod
from litestar.types import Receive, Scope, Send

from gateway.page.viewer import Viewer

TICK_S = 0.25
"""The interval of outcomes: the least time between two events, and the longest delay of one."""

STATE_S = 1.0
SILENCE_S = 10.0
"""After this time without an event a comment keeps proxies from closing the connection."""

LIFE_S = 300.0
"""Then the stream ends, and the client's next request is authenticated again."""

HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would otherwise collect events
]
COMMENT = b":\n\n"


class Source(Protocol):
    """The data that all streams of events share."""

    @property
    def is_over(self) -> bool:
        """True when the gateway stops."""

    def state_event(self, viewer: Viewer) -> bytes:
        """Return the present state as an event."""

    def outcomes_event(self, viewer: Viewer, after: int | None) -> tuple[bytes | None, int | None]:
        """Return the outcomes after a position, None if there is none, and the next position."""


def event(name: str, data: Any, identity: int | None = None) -> bytes:
    """Return a server-sent event; JSON has no line breaks."""
    head = b"" if identity is None else b"id: %d\n" % identity
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), msgspec.json.encode(data))


async def events(
    source: Source,
    viewer: Viewer,
    after: int | None,
    pause: Callable[[], Awaitable[bool]],
    now: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """Yield events until the source is over, `pause` returns true, or LIFE_S have passed.

    Nothing is buffered for a viewer: one that reads slowly gets the newest rows of a longer time,
    and the number of those that were left out. `pause` waits for TICK_S.
    """
    began = spoke = now()
    state_at, last_state = float("-inf"), b""
    while not source.is_over and now() - began < LIFE_S:
        chunk, after = source.outcomes_event(viewer, after)
        chunk = chunk or b""
        if now() - state_at >= STATE_S:
            state_at, former = now(), last_state
            last_state = source.state_event(viewer)
            chunk = chunk if last_state == former else last_state + chunk
        if not chunk and now() - spoke >= SILENCE_S:
            chunk = COMMENT
        if chunk:
            spoke = now()
            yield chunk
        if await pause():
            return


class EventStream:
    """The ASGI response with the events of one viewer; it ends when the client leaves."""

    def __init__(self, source: Source, viewer: Viewer, after: int | None) -> None:
        self._source = source
        self._viewer = viewer
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events; the response to HEAD has none."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        if scope.get("method") != HttpMethod.HEAD:
            await self._send_events(receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_disconnect(receive))

        async def pause() -> bool:
            await asyncio.wait([leaving], timeout=TICK_S)
            return leaving.done()

        try:
            async for chunk in events(self._source, self._viewer, self._after, pause):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            leaving.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
