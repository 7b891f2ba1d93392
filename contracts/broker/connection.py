"""An open connection to the broker, and the detection of its loss."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiormq.channel import Channel as RawChannel
from aiormq.connection import Connection as RawConnection

from contracts.broker.channel import Channel
from contracts.broker.errors import ConnectionLost, broker_errors
from contracts.broker.write_coalescing import Write

PULSE_S = 1.0
PULSES = 8
"""The maximal number of unanswered requests, each on a separate channel."""

SILENCE_S = 8.0
CONFIRM_TIMEOUT_S = 15
FRAMES_BUFFERED = 256


class Connection:
    """An open connection to the broker."""

    def __init__(
        self,
        raw: RawConnection,
        user: str | None,
        write: Write,
        heard_at: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write` sends bytes; `heard_at` returns the time of the broker's last bytes.

        That time is on the monotonic clock.

        `is_silent` is set when the connection is given up although the broker did not close it:
        messages that were published may then still reach the broker.
        """
        self._raw = raw
        self._write = write
        self._heard_at = heard_at
        self.user = user
        self.is_silent = False

    @property
    def broker_version(self) -> str:
        """The version of RabbitMQ at the other end, empty if unknown."""
        return str((self._raw.server_properties or {}).get("version", ""))

    def silence(self) -> float:
        """Return the seconds since the broker's last bytes."""
        return time.monotonic() - self._heard_at()

    async def channel(self) -> Channel:
        """Open a channel with publisher confirms, which closes with the connection."""
        with broker_errors():
            try:
                raw = await self._raw.channel(frame_buffer_size=FRAMES_BUFFERED)
            except RuntimeError as error:
                raise ConnectionLost("the connection is closed") from error
        return Channel(cast(RawChannel, raw), self._write)

    @asynccontextmanager
    async def passing_channel(self) -> AsyncIterator[Channel]:
        """Open a channel that is closed with the context."""
        channel = await self.channel()
        try:
            yield channel
        finally:
            if not channel.is_closed:
                await channel.close()

    def is_blocked(self) -> bool:
        """Tell whether the broker's memory or disk alarm blocks publishers.

        The library has no flag for the alarm, only a wait for its end, of which the first step
        shows whether it waits.
        """
        waiting = self._raw.ready()
        try:
            waiting.send(None)
        except StopIteration:
            return False
        waiting.close()
        return True

    async def pulse(self, answered: Callable[[float], None] | None = None) -> None:
        """Send requests to the broker at intervals; raise ConnectionLost when it is silent.

        `answered` is called with the seconds since the answered request was sent. A response comes
        behind all earlier deliveries. Therefore the next request does not wait for it, and a
        connection that still receives bytes is not lost. The library needs three heartbeats to
        notice a dead peer.
        """
        most = PULSES if answered is not None else 1
        idle = [await self.channel() for _ in range(most)]
        newest = float("-inf")

        async def ask(channel: Channel) -> None:
            nonlocal newest
            asked_at = time.monotonic()
            await channel.round_trip()
            idle.append(channel)
            if answered is not None and asked_at > newest:
                newest = asked_at
                answered(time.monotonic() - asked_at)

        async with asyncio.TaskGroup() as requests:
            while True:
                if idle:
                    requests.create_task(ask(idle.pop()))
                await asyncio.sleep(PULSE_S)
                if len(idle) < most and self.silence() >= SILENCE_S:
                    self.is_silent = True
                    raise ConnectionLost(f"no answer in {SILENCE_S} seconds")

    async def confirms(self, channel: Channel) -> None:
        """Raise ConnectionLost when a publisher confirm of a channel is overdue.

        The broker may lose a publish while its queue moves to another node, without closing the
        channel: the confirm never comes. Only seconds count in which this process runs and the
        broker does not block publishers.
        """
        waiting, seconds = channel.unconfirmed, 0
        while seconds < CONFIRM_TIMEOUT_S:
            await asyncio.sleep(1)
            is_same = waiting is not None and waiting == channel.unconfirmed
            seconds = seconds + 1 if is_same and not self.is_blocked() else 0
            waiting = channel.unconfirmed
        self.is_silent = True
        raise ConnectionLost(
            f"no confirm of {waiting and waiting[1]} in {CONFIRM_TIMEOUT_S} seconds"
        )

    async def lost(self) -> None:
        """Wait until the connection is closed, then raise ConnectionLost with the reason."""
        with broker_errors():
            await self._raw.closing
        raise ConnectionLost("the connection was closed")
