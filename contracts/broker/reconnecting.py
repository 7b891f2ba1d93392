"""A connection to the broker that reconnects: connect, run a session, connect again."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aio_pika
from aiormq.connection import Connection as RawConnection
from aiormq.exceptions import InvalidFrameError
from yarl import URL

from contracts import VERSION
from contracts.broker.connection import Connection
from contracts.broker.decoding import read_any_property
from contracts.broker.errors import BrokerError, ConnectionLost, broker_errors
from contracts.broker.write_coalescing import CoalescingConnection
from contracts.process.environment import Secret
from contracts.process.renewal import Renewed

log = logging.getLogger(__name__)

HEARTBEAT_S = 10
CONNECT_TIMEOUT_S = 5
"""A frozen node accepts connections but does not answer; then the next URL is tried."""

CLOSE_TIMEOUT_S = 3
FIRST_BACKOFF_S = 0.1
MOST_BACKOFF_S = 10.0
STEADY_S = 5.0
FILES = ("cafile", "certfile", "keyfile")

read_any_property()
# After the peer has closed the connection, the library no longer empties its queue of frames: with
# a bounded queue, all writers that wait for space would block forever.
RawConnection.FRAME_BUFFER_SIZE = 0  # unbounded


Session = Callable[[Connection], Awaitable[None]]


class ReconnectingConnection:
    """A connection that is reopened when it is lost.

    `urls` are tried in a random order, so that processes spread over the nodes of a cluster. URLs
    in a file are read again before each attempt, so that a password can be rotated.
    RabbitMQ's management UI shows the name. Raises ConfigurationError if a file that a URL names
    cannot be read.
    """

    def __init__(self, urls: str | Secret, name: str) -> None:
        secret = urls if isinstance(urls, Secret) else Secret(urls, "PLT_AMQP_URL")
        self._urls = Renewed(lambda: usable_urls(secret), secret.paths)
        self._known: list[URL] = []
        self._order: Iterator[URL] = iter(())
        self._name = name
        self.since: float | None = None
        self.reason = "not connected yet"
        self.opened = 0
        self.failures = 0
        """Connections that became ready, and connections that were lost or not opened."""

    @property
    def is_up(self) -> bool:
        """True while a session is ready."""
        return self.since is not None

    @property
    def was_up(self) -> bool:
        """True once a session was ready, also after the loss of its connection."""
        return self.opened > 0

    def ready(self) -> None:
        """Mark the connection as up; called by a session after its setup."""
        self.since = time.time()
        self.opened += 1
        log.info("%s: ready", self._name)

    async def run(self, session: Session) -> None:
        """Run `session` on one connection after another, until it returns or is cancelled.

        A session is cancelled when its connection is lost. The backoff between attempts is random
        up to a bound that doubles ("full jitter"), so that processes do not reconnect at once.
        """
        attempt = 0
        while True:
            url = self._next()
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

    def _next(self) -> URL:
        """Return the URL of the next attempt."""
        urls = self._urls.renew()
        if urls != self._known:
            if self._known:
                log.info("%s: new broker URLs", self._name)
            self._known = urls
            self._order = itertools.cycle(random.sample(urls, len(urls)))
        return next(self._order)

    @asynccontextmanager
    async def _connected(self, url: URL) -> AsyncIterator[Connection]:
        with broker_errors():
            try:
                connection = await aio_pika.connect(
                    url,
                    timeout=CONNECT_TIMEOUT_S,
                    connection_class=CoalescingConnection,
                    client_properties={
                        "connection_name": self._name,
                        "product": "machinist",
                        "version": VERSION,
                    },
                )
            except InvalidFrameError as error:
                # The broker sends its reason, which the library drops.
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
                connection.transport_factory.write,
                connection.transport_factory.heard_at,
            )
        finally:
            self.since = None
            await self._close(connection)

    async def _close(self, connection: aio_pika.abc.AbstractConnection) -> None:
        # If the peer is dead, close() waits for three heartbeats.
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await connection.close()
        except TimeoutError:
            log.warning("%s: the broker did not answer the close", self._name)

    def _down(self, url: URL, error: BrokerError) -> None:
        self.failures += 1
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


def usable_urls(secret: Secret) -> list[URL]:
    """Return the URLs of PLT_AMQP_URL, whose files can be read; raises ConfigurationError."""
    urls = broker_urls(secret)
    for url in urls:
        for parameter in FILES:
            path = url.query.get(parameter)
            if path is not None:
                _expect_file(secret, parameter, path)
    return urls


def _expect_file(secret: Secret, parameter: str, path: str) -> None:
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise secret.wrong(
            f"{parameter}={path}: expected a file that can be read: {error.strerror}"
        ) from None


def broker_urls(secret: Secret) -> list[URL]:
    """Return the URLs of PLT_AMQP_URL; raises ConfigurationError for an invalid one."""
    return [_with_heartbeat(url.strip(), secret) for url in secret.read().split(",")]


def _with_heartbeat(url: str, secret: Secret) -> URL:
    """Return the URL with our heartbeat.

    With a shorter heartbeat, the broker would give a partition to another worker before the fence
    of the current worker closes.
    """
    try:
        return URL(url).update_query(heartbeat=HEARTBEAT_S)
    except ValueError:
        # The library's message may contain the password.
        raise secret.wrong(
            "expected URLs such as amqp://user:password@host:5672/, with other characters than "
            "letters, digits and -._~ written as %XX"
        ) from None
