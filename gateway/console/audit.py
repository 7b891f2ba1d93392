"""Replays the audit stream to its end, or follows it."""

from collections.abc import Callable

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import Position, offset, read_stream
from contracts.wire import Message

BATCH = 500


class Replay:
    """A replay that continues after the last shown message when the connection is replaced."""

    def __init__(self, since: Position, show: Callable[[Message], None], *, follow: bool) -> None:
        """`since` is a time of arrival at the broker; some earlier messages may be shown."""
        self._next = since
        self._show = show
        self._follow = follow

    async def run(self, connection: Connection) -> None:
        """Show every message up to the end; with `follow`, continue until cancelled."""
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
