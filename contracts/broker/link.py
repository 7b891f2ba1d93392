"""Keeps one connection to the broker open: connects, runs a session on it, connects again."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aio_pika
from aiormq.channel import Channel as RawChannel
from aiormq.connection import Connection as RawConnection
from aiormq.exceptions import InvalidFrameError
from yarl import URL

from contracts import VERSION
from contracts.broker.channel import Channel
from contracts.broker.decoding import read_any_property
from contracts.broker.errors import BrokerError, ConnectionLost, broker_errors
from contracts.broker.gathering import GatheredConnection
from contracts.environment import ConfigurationError

log = logging.getLogger(__name__)

HEARTBEAT_S = 10
CONNECT_TIMEOUT_S = 5
"""A node that is frozen takes connections and answers nothing: then it is the next URL's turn."""

CLOSE_TIMEOUT_S = 3
PULSE_S = 1.0
PULSES = 8
"""Questions that may be unanswered at a time, each on a channel of its own."""

SILENCE_S = 8.0
CONFIRM_TIMEOUT_S = 15
FIRST_BACKOFF_S = 0.1
MOST_BACKOFF_S = 10.0
STEADY_S = 5.0
FRAMES_BUFFERED = 256
FILES = ("cafile", "certfile", "keyfile")

read_any_property()
# Nobody empties the library's queue of frames once the peer has closed the connection: who waited
# for room in it, and whoever waits behind for the channel's lock, would wait for ever.
RawConnection.FRAME_BUFFER_SIZE = 0


class Connection:
    """An open connection."""

    def __init__(
        self, raw: RawConnection, user: str | None, heard_at: Callable[[], float] = time.monotonic
    ) -> None:
        """`heard_at` says when the broker's last bytes came, on the monotonic clock.

        `is_silent` is set when the connection is given up though the broker did not close it: what
        was published may then still reach the broker.
        """
        self._raw = raw
        self._heard_at = heard_at
        self.user = user
        self.is_silent = False

    def silence(self) -> float:
        """The seconds since the broker's last bytes came."""
        return time.monotonic() - self._heard_at()

    async def channel(self) -> Channel:
        """Open a channel with publisher confirms; it closes with the connection."""
        with broker_errors():
            try:
                raw = await self._raw.channel(frame_buffer_size=FRAMES_BUFFERED)
            except RuntimeError as error:
                raise ConnectionLost("the connection is closed") from error
        return Channel(cast(RawChannel, raw))

    @asynccontextmanager
    async def passing_channel(self) -> AsyncIterator[Channel]:
        """A channel for a short while."""
        channel = await self.channel()
        try:
            yield channel
        finally:
            if not channel.is_closed:
                await channel.close()

    async def is_blocked(self) -> bool:
        """Whether the broker takes no publishes: its memory or disk alarm is on.

        The library has no flag for it, only the wait for its end.
        """
        try:
            async with asyncio.timeout(0):
                await self._raw.ready()
        except TimeoutError:
            return True
        return False

    async def pulse(self, answered: Callable[[float], None] | None = None) -> None:
        """Ask the broker at intervals for an answer; raise ConnectionLost when it is silent.

        `answered` gets how many seconds ago the answered question was asked. An answer waits behind
        all deliveries that were sent before. So the next question does not wait for it, and a
        connection on which bytes still come is not lost. The library takes three heartbeats to
        notice a peer that has silently gone.
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

        async with asyncio.TaskGroup() as questions:
            while True:
                if idle:
                    questions.create_task(ask(idle.pop()))
                await asyncio.sleep(PULSE_S)
                if len(idle) < most and self.silence() >= SILENCE_S:
                    self.is_silent = True
                    raise ConnectionLost(f"no answer in {SILENCE_S} seconds")

    async def confirms(self, channel: Channel) -> None:
        """Watch a channel for confirms that never come; raise ConnectionLost when one does not.

        The broker may lose a publish, with a queue that was just moving, and close nothing: whoever
        waits for its confirm would wait for ever. Seconds are counted in which this process runs,
        and in which the broker does not block who publishes.
        """
        waiting, seconds = channel.unconfirmed, 0
        while seconds < CONFIRM_TIMEOUT_S:
            await asyncio.sleep(1)
            is_same = waiting is not None and waiting == channel.unconfirmed
            seconds = seconds + 1 if is_same and not await self.is_blocked() else 0
            waiting = channel.unconfirmed
        self.is_silent = True
        raise ConnectionLost(f"no confirm of {waiting} in {CONFIRM_TIMEOUT_S} seconds")

    async def lost(self) -> None:
        """Wait until the connection is gone and raise ConnectionLost with the reason."""
        with broker_errors():
            await self._raw.closing
        raise ConnectionLost("the connection was closed")


Session = Callable[[Connection], Awaitable[None]]


class Link:
    """A connection that is made again whenever it is lost.

    `urls` are tried in turn, from a random one on, so that processes spread over the nodes of a
    cluster. The name is shown in RabbitMQ's management UI. Raises ConfigurationError where a file
    that a URL names cannot be read.
    """

    def __init__(self, urls: str, name: str) -> None:
        self._urls = broker_urls(urls)
        for url in self._urls:
            _expect_files(url)
        random.shuffle(self._urls)
        self._name = name
        self.since: float | None = None
        self.reason = "not connected yet"

    @property
    def is_up(self) -> bool:
        """Whether a session is running."""
        return self.since is not None

    def ready(self) -> None:
        """Called by a session that has set up what it needs; from then on the link is up."""
        self.since = time.time()
        log.info("%s: ready", self._name)

    async def run(self, session: Session) -> None:
        """Run `session` on one connection after another, until it returns or is cancelled.

        A session is cancelled when its connection is lost. Waits between attempts are random up to
        a bound that doubles ("full jitter"), so that processes do not return all at once.
        """
        attempt = 0
        for url in itertools.cycle(self._urls):
            connected_at = float("inf")
            try:
                async with self._connected(url) as connection:
                    connected_at = time.monotonic()
                    await _until_lost(session, connection)
                return
            except BrokerError as error:
                self._down(url, error)
            attempt = 0 if time.monotonic() - connected_at > STEADY_S else attempt + 1
            bound = min(MOST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 10))
            await asyncio.sleep(random.uniform(0, bound))

    @asynccontextmanager
    async def _connected(self, url: URL) -> AsyncIterator[Connection]:
        with broker_errors():
            try:
                connection = await aio_pika.connect(
                    url,
                    timeout=CONNECT_TIMEOUT_S,
                    connection_class=GatheredConnection,
                    client_properties={
                        "connection_name": self._name,
                        "product": "machinist",
                        "version": VERSION,
                    },
                )
            except InvalidFrameError as error:
                # The broker gives its reason, which the library drops.
                raise ConnectionLost(
                    f"the broker does not open the virtual host {url.path[1:] or '/'!r}: expected "
                    f"one that exists and in which the user {url.user!r} has rights"
                ) from error
        transport = connection.transport
        if transport is None:
            raise ConnectionLost("the connection was closed while it was opened")
        try:
            yield Connection(
                cast(RawConnection, transport.connection),
                url.user,
                connection.gathering.heard_at,
            )
        finally:
            self.since = None
            await self._close(connection)

    async def _close(self, connection: aio_pika.abc.AbstractConnection) -> None:
        # A peer that is gone would keep close() waiting for the grace of three heartbeats.
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await connection.close()
        except TimeoutError:
            log.warning("%s: the broker did not answer the close", self._name)

    def _down(self, url: URL, error: BrokerError) -> None:
        reason = f"{url.host}:{url.port}: {error}"
        level = logging.DEBUG if reason == self.reason else logging.WARNING
        log.log(level, "%s: no connection to %s", self._name, reason)
        self.reason = reason


async def _until_lost(session: Session, connection: Connection) -> None:
    """Run the session, cancel it when the connection is lost, raise the first broker error."""
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(connection.lost())
            await session(connection)
            watch.cancel()
    except* BrokerError as errors:
        raise _first(errors) from errors


def _first(errors: BaseExceptionGroup[BrokerError]) -> BrokerError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _expect_files(url: URL) -> None:
    for parameter in FILES:
        path = url.query.get(parameter)
        if path is None:
            continue
        try:
            Path(path).open("rb").close()
        except OSError as error:
            raise ConfigurationError(
                f"PLT_AMQP_URL: {parameter}={path}: expected a file that can be read: "
                f"{error.strerror}"
            ) from error


def broker_urls(urls: str) -> list[URL]:
    """The URLs of PLT_AMQP_URL; ConfigurationError where one cannot be used."""
    return [_with_heartbeat(url.strip()) for url in urls.split(",")]


def _with_heartbeat(url: str) -> URL:
    """The URL with our heartbeat: with a shorter one the broker would hand over before the fence
    of a worker closes.
    """
    try:
        return URL(url).update_query(heartbeat=HEARTBEAT_S)
    except ValueError:
        # Without its words, which may hold the password.
        raise ConfigurationError(
            "PLT_AMQP_URL=(not shown): expected URLs such as amqp://user:password@host:5672/, with "
            "other characters than letters, digits and -._~ written as %XX"
        ) from None
