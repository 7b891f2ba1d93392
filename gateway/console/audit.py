"""Replays the audit stream, from a moment on, to its end or for ever."""

from collections.abc import Callable

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import Position, offset, read_stream
from contracts.wire import Message

BATCH = 500


class Replay:
    """Goes on after the last message that was shown, when it runs again over another connection."""

    def __init__(self, since: Position, show: Callable[[Message], None], *, follow: bool) -> None:
        """A moment is that of the message's arrival at the broker, and some before it may come."""
        self._next = since
        self._show = show
        self._follow = follow

    async def run(self, connection: Connection) -> None:
        """Show every message up to the newest of now, or for ever if it follows."""
        async with read_stream(connection, self._next, BATCH) as audit:
            while True:
                messages, is_end = await audit.read()
                for message in messages:
                    self._show(message)
                    self._next = offset(message) + 1
                if is_end and not self._follow:
                    return
                if is_end:
                    await audit.wait()
