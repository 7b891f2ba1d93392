"""The attendance of workers, from their announcements and the broker's count of consumers."""

import asyncio
import time
from collections.abc import Iterable
from typing import Literal
from uuid import uuid4

import msgspec

from contracts.address import is_provider_name
from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, NotDeclared, Rejected, Unroutable
from contracts.checks.json_limits import MESSAGES, decode
from contracts.faults import Code, Fault
from contracts.topology import ATTENDANCE, QUERIES, REPLIES, queries_queue
from contracts.wire import Message

ANNOUNCE_S = 1.0
QUIET_S = 1.25
"""After this silence of all workers of a provider, the broker is asked for its consumer count."""

LATELY_S = 3.0
"""A worker that was silent for longer has probably stopped."""

FORGET_S = 9.0
FRESH_S = 0.5
LOOK_S = 0.6
"""The timeout of a passive declaration."""

MOST_PROVIDERS = 10_000


class Announcement(msgspec.Struct, frozen=True, rename="camel"):
    """An announcement of a worker to all gateways.

    `since` is in seconds of the Unix epoch, `clock_behind` in seconds. `missing` names required
    queues and exchanges that do not exist and that the worker may not create. `seal_keys` are the
    names of the keys, which do not reveal them; None from a worker of an earlier version.
    `live_reads` says why frequent queries ask the platform; None from a worker of an earlier
    version, which does not announce the versions that its commands produce.
    """

    worker: str
    provider: str
    version: str
    since: float
    partitions: list[int] = []
    clock_behind: float = 0.0
    state: Literal["starting", "attached", "draining", "gone"] = "attached"
    missing: list[str] = []
    seal_keys: list[str] | None = None
    live_reads: list[str] | None = None

    def message(self) -> Message:
        """Return the announcement as a message to every gateway."""
        return Message(
            exchange=REPLIES,
            key=ATTENDANCE,
            body=msgspec.json.encode(self),
            type=ATTENDANCE,
            message_id=uuid4().hex,
            expiration=int(FORGET_S * 1000),
            app_id=f"worker/{self.version}",
        )


class Received(msgspec.Struct, frozen=True):
    """An announcement, with its time of arrival on the monotonic clock."""

    at: float
    announcement: Announcement


class Consumers:
    """The broker's count of a provider's consumers, None if the provider has no queue."""

    def __init__(self) -> None:
        self.count: int | None = None
        self.asked_at = float("-inf")
        self.asking = asyncio.Lock()

    @property
    def is_fresh(self) -> bool:
        """True while the count is recent enough for use."""
        return time.monotonic() - self.asked_at < FRESH_S


class Attendance:
    """The workers of every provider that a gateway knows of.

    Announcements take precedence over the broker's consumer count, because a quorum queue also
    counts consumers on dead nodes. The broker is asked for the count if the workers or the broker
    were silent recently. A count of zero proves that a worker has stopped, long before its silence
    does; and on a new connection, before the first announcements, only the count is known. Passive
    declarations use a separate channel: the broker closes it if the queue does not exist.
    """

    def __init__(self, expected: Iterable[str]) -> None:
        """`expected` providers are unattended, not unknown, while they have no queue."""
        self._expected = frozenset(expected)
        self._counts: dict[str, Consumers] = {}
        self._received: dict[str, dict[str, Received]] = {}
        self._connection: Connection | None = None
        self._connected_at = 0.0
        self._channel: Channel | None = None
        self._asking = asyncio.Lock()

    def connected(self, connection: Connection) -> None:
        """Use this connection from now on."""
        self._connection = connection
        self._connected_at = time.monotonic()
        self._channel = None
        self._counts.clear()

    def disconnected(self) -> None:
        """Stop asking the broker."""
        self._connection = None

    async def require(self, provider: str) -> None:
        """Return if the provider is attended, else raise the fault for the caller."""
        if not is_provider_name(provider):
            raise self._unknown(provider)
        if await self.is_attended(provider):
            return
        is_known = self._attached(provider, FORGET_S) or await self._count(provider) is not None
        if provider not in self._expected and not is_known:
            raise self._unknown(provider)
        raise Fault(
            Code.PROVIDER_UNATTENDED, f"no worker is attached for the provider {provider!r}"
        )

    def is_announced(self, provider: str) -> bool:
        """Tell whether a worker announced itself recently, and the broker still sends bytes."""
        if self._connection is None or self._connection.silence() >= FRESH_S:
            return False
        return self._attached(provider, QUIET_S) > 0

    async def is_attended(self, provider: str) -> bool:
        """Tell whether a worker consumes the provider's operations; raises BrokerError."""
        if self.is_announced(provider):
            return True
        if not await self._count(provider):
            return False
        if self._attached(provider, FORGET_S):
            return True
        is_new = time.monotonic() - self._connected_at < FORGET_S
        return is_new and not self._received.get(provider)

    def hear(self, message: Message) -> None:
        """Record a worker's announcement; raises msgspec.DecodeError."""
        announcement = decode(message.body, MESSAGES, type=Announcement)
        workers = self._received.setdefault(announcement.provider, {})
        workers[announcement.worker] = Received(time.monotonic(), announcement)

    def forget(self) -> None:
        """Drop the workers that were silent for too long; called at intervals."""
        oldest = time.monotonic() - FORGET_S
        recent = {
            provider: {name: each for name, each in workers.items() if each.at >= oldest}
            for provider, workers in self._received.items()
        }
        self._received = {provider: workers for provider, workers in recent.items() if workers}

    def workers(self, provider: str) -> list[Announcement]:
        """Return the recent announcements of a provider's running workers, by name of worker."""
        oldest = time.monotonic() - FORGET_S
        received = sorted(self._received.get(provider, {}).items())
        recent = [each.announcement for _, each in received if each.at >= oldest]
        return [announcement for announcement in recent if announcement.state != "gone"]

    def attached(self, provider: str) -> int:
        """Return the number of workers that consume the provider's operations.

        Workers divide the partitions by this number. A worker without a recent announcement does
        not count: the others would release partitions that no worker then consumes.
        """
        return self._attached(provider, LATELY_S)

    def tells_versions(self, provider: str) -> bool:
        """Tell whether all workers announce the versions that their commands produce."""
        oldest = time.monotonic() - FORGET_S
        received = self._received.get(provider, {}).values()
        recent = [each.announcement for each in received if each.at >= oldest]
        return bool(recent) and all(each.live_reads is not None for each in recent)

    def is_draining(self, provider: str) -> bool:
        """Tell whether a worker consumes no more queries but may still answer received ones."""
        return any(each.state == "draining" for each in self.workers(provider))

    def knows(self, provider: str) -> bool:
        """Tell whether a provider is expected, announced or has a queue."""
        counted = self._counts.get(provider)
        return (
            provider in self._expected
            or provider in self._received
            or (counted is not None and counted.count is not None)
        )

    def providers(self) -> list[str]:
        """Return every provider that is expected, announced or has a queue, by name."""
        counted = {name for name, seen in self._counts.items() if seen.count is not None}
        announced = {name for name in self._received if self.workers(name)}
        return sorted(self._expected | counted | announced)

    def _attached(self, provider: str, within: float) -> int:
        """Return the number of attached workers that announced themselves within these seconds."""
        oldest = time.monotonic() - within
        return sum(
            each.at >= oldest and each.announcement.state == "attached"
            for each in self._received.get(provider, {}).values()
        )

    async def _count(self, provider: str) -> int | None:
        """Return the broker's consumer count: cached for half a second, and single-flight."""
        if len(self._counts) >= MOST_PROVIDERS:
            self._counts.clear()
        seen = self._counts.setdefault(provider, Consumers())
        if seen.is_fresh:
            return seen.count
        async with seen.asking:
            if not seen.is_fresh:
                # One passive declaration at a time: if the queue does not exist, the broker closes
                # the channel.
                async with self._asking:
                    seen.count = await self._ask(provider, is_known=seen.count is not None)
                seen.asked_at = time.monotonic()
        return seen.count

    async def _ask(self, provider: str, *, is_known: bool) -> int | None:
        if not is_known and not await self._is_routed(provider):
            return None
        channel = await self._open()
        try:
            async with asyncio.timeout(LOOK_S):
                return await channel.consumers(queries_queue(provider))
        except NotDeclared:
            return None
        except TimeoutError as error:
            self._channel = None
            raise ConnectionLost("the broker does not answer") from error
        except asyncio.CancelledError:
            # The library closes a channel on which a call was cancelled, but not at once.
            if self._channel is channel:
                self._channel = None
            raise

    async def _is_routed(self, provider: str) -> bool:
        """Tell whether the provider has a queue, with a mandatory message that expires on arrival.

        If there is no queue, the message is cheaper than a passive declaration, which closes the
        channel; most requests to a public gateway name unknown providers. Workers drop the message.
        """
        probe = Message(
            exchange=QUERIES,
            key=f"{provider}.{ATTENDANCE}",
            body=b"",
            type=ATTENDANCE,
            message_id=uuid4().hex,
            expiration=0,
        )
        try:
            await (await self._open()).publish(probe, mandatory=True)
        except Unroutable:
            return False
        except Rejected:
            return True  # the queue exists, but is full
        return True

    async def _open(self) -> Channel:
        if self._connection is None:
            raise ConnectionLost("not connected")
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._connection.channel()
        return self._channel

    def _unknown(self, provider: str) -> Fault:
        known = ", ".join(self.providers()) or "none so far"
        return Fault(
            Code.UNKNOWN_PROVIDER,
            f"provider {provider[:64]!r} is unknown; expected one of: {known}",
        )
