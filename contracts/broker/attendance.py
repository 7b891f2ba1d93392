"""Who is attached: asked of the broker before a publish, and told by the workers themselves."""

import asyncio
import time
from collections.abc import Iterable
from typing import Literal
from uuid import uuid4

import msgspec

from contracts.address import is_provider_name
from contracts.broker.channel import Channel
from contracts.broker.errors import ConnectionLost, NotDeclared, Rejected, Unroutable
from contracts.broker.link import Connection
from contracts.faults import Code, Fault
from contracts.topology import ATTENDANCE, QUERIES, REPLIES, queries_queue
from contracts.wire import Message

FRESH_S = 0.5
ANNOUNCE_S = 3.0
FORGET_S = 3 * ANNOUNCE_S
MOST_PROVIDERS = 10_000


class Announcement(msgspec.Struct, frozen=True, rename="camel"):
    """What a worker tells of itself; `since` in seconds of the Unix epoch, `clock_behind` too."""

    worker: str
    provider: str
    version: str
    since: float
    partitions: list[int] = []
    clock_behind: float = 0.0
    state: Literal["attached", "draining", "gone"] = "attached"

    def message(self) -> Message:
        """The announcement as a message to every gateway."""
        return Message(
            exchange=REPLIES,
            key=ATTENDANCE,
            body=msgspec.json.encode(self),
            type=ATTENDANCE,
            message_id=uuid4().hex,
            expiration=int(FORGET_S * 1000),
            app_id=f"worker/{self.version}",
        )


class Seen:
    """What is known of one provider; `consumers` is None where it has no queue."""

    def __init__(self) -> None:
        self.consumers: int | None = None
        self.asked_at = float("-inf")
        self.since: float | None = None
        self.asking = asyncio.Lock()

    @property
    def is_fresh(self) -> bool:
        """Whether it need not be asked again yet."""
        return time.monotonic() - self.asked_at < FRESH_S

    def learn(self, consumers: int | None) -> None:
        """Take in an answer of the broker."""
        self.asked_at = time.monotonic()
        self.consumers = consumers
        if not consumers:
            self.since = None
        elif self.since is None:
            self.since = time.time()


class Attendance:
    """Whether a provider's workers are there, known to half a second and asked once at a time.

    Never on the channel that publishes: asking for a queue that does not exist closes a channel.
    """

    def __init__(self, expected: Iterable[str]) -> None:
        """`expected` providers are unattended, not unknown, while they have no queue."""
        self._expected = frozenset(expected)
        self._providers: dict[str, Seen] = {name: Seen() for name in self._expected}
        self._workers: dict[str, tuple[float, Announcement]] = {}
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._asking = asyncio.Lock()

    def connected(self, connection: Connection) -> None:
        """Ask over this connection from now on."""
        self._connection = connection
        self._channel = None
        for seen in self._providers.values():
            seen.asked_at = float("-inf")

    def disconnected(self) -> None:
        """Nobody can be asked."""
        self._connection = None

    async def require(self, provider: str) -> None:
        """Return if the provider is attended, else raise what the caller has to be told."""
        if not is_provider_name(provider):
            raise self._unknown(provider)
        consumers = await self.consumers(provider)
        if consumers:
            return
        if consumers is None and provider not in self._expected:
            raise self._unknown(provider)
        raise Fault(
            Code.PROVIDER_UNATTENDED, f"no worker is attached for the provider {provider!r}"
        )

    async def consumers(self, provider: str) -> int | None:
        """How many workers serve a provider, None if it has no queue; raises BrokerError."""
        seen = self._seen(provider)
        if seen.is_fresh:
            return seen.consumers
        async with seen.asking:
            if not seen.is_fresh:
                # One question at a time: the answer that there is no queue closes the channel.
                async with self._asking:
                    consumers = await self._ask(provider, known=seen.consumers is not None)
                seen.learn(consumers)
        return seen.consumers

    def hear(self, message: Message) -> None:
        """Take in what a worker tells of itself."""
        told = msgspec.json.decode(message.body, type=Announcement)
        if told.state == "gone":
            self._workers.pop(told.worker, None)
        else:
            self._workers[told.worker] = (time.monotonic(), told)

    def workers(self) -> list[Announcement]:
        """The workers that told of themselves lately."""
        now = time.monotonic()
        gone = [name for name, (heard, _) in self._workers.items() if now - heard > FORGET_S]
        for name in gone:
            del self._workers[name]
        return sorted((told for _, told in self._workers.values()), key=lambda told: told.worker)

    def drains(self, provider: str) -> bool:
        """Whether a worker takes no more queries but may still answer those that it has."""
        return any(
            told.provider == provider and told.state == "draining" for told in self.workers()
        )

    def providers(self) -> dict[str, Seen]:
        """Every provider that is expected or has been seen."""
        seen = {name: seen for name, seen in self._providers.items() if seen.consumers is not None}
        return {name: self._providers[name] for name in sorted(self._expected | seen.keys())}

    def _seen(self, provider: str) -> Seen:
        seen = self._providers.get(provider)
        if seen is None:
            if len(self._providers) >= MOST_PROVIDERS:
                self._forget_strangers()
            seen = self._providers[provider] = Seen()
        return seen

    def _forget_strangers(self) -> None:
        kept = self.providers()
        self._providers = {
            name: seen
            for name, seen in self._providers.items()
            if name in kept or seen.asking.locked()
        }

    async def _ask(self, provider: str, *, known: bool) -> int | None:
        if not known and not await self._is_routed(provider):
            return None
        channel = await self._open()
        try:
            return await channel.consumers(queries_queue(provider))
        except NotDeclared:
            return None
        except asyncio.CancelledError:
            # The library closes a channel on which a question was given up, but not at once.
            if self._channel is channel:
                self._channel = None
            raise

    async def _is_routed(self, provider: str) -> bool:
        """Whether the provider has a queue, by a message that expires as it arrives.

        Unlike a passive declaration this costs nothing when the answer is no, and strangers' names
        are what a public gateway is asked for most. Workers drop it.
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
            return True  # a full queue is one all the same
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
