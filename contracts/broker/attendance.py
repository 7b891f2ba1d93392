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
from contracts.faults import Code, Fault
from contracts.json_limits import MESSAGES, decode
from contracts.topology import ATTENDANCE, QUERIES, REPLIES, queries_queue
from contracts.wire import Message

ANNOUNCE_S = 1.0
QUIET_S = 1.25
"""After this silence of all workers of a provider the broker is asked whether any consumes."""

LATELY_S = 3.0
"""A worker that was silent for longer has probably gone."""

FORGET_S = 9.0
FRESH_S = 0.5
LOOK_S = 0.6
"""The longest wait for the broker's answer about one queue."""

MOST_PROVIDERS = 10_000


class Announcement(msgspec.Struct, frozen=True, rename="camel"):
    """A worker's announcement of itself.

    `since` is in seconds of the Unix epoch, `clock_behind` in seconds. `missing` names the queues
    and exchanges that the worker needs, and neither finds nor may create.
    """

    worker: str
    provider: str
    version: str
    since: float
    partitions: list[int] = []
    clock_behind: float = 0.0
    state: Literal["starting", "attached", "draining", "gone"] = "attached"
    missing: list[str] = []

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


class Heard(msgspec.Struct, frozen=True):
    """An announcement, and when it came on the monotonic clock."""

    at: float
    told: Announcement


class Consumers:
    """The broker's count of a provider's consumers, None where the provider has no queue."""

    def __init__(self) -> None:
        self.count: int | None = None
        self.asked_at = float("-inf")
        self.asking = asyncio.Lock()

    @property
    def is_fresh(self) -> bool:
        """True while the broker need not be asked again."""
        return time.monotonic() - self.asked_at < FRESH_S


class Attendance:
    """The workers of every provider, as far as a gateway knows them.

    Announcements decide: a quorum queue also counts the consumers on dead nodes. The broker's count
    is asked where the workers or the broker itself were silent lately. Zero proves that a worker
    has just gone, long before its silence does; and right after a connection, before the first
    announcements, a count is all that is known. The broker is asked on a channel of its own: a look
    at a queue that does not exist closes a channel.
    """

    def __init__(self, expected: Iterable[str]) -> None:
        """`expected` providers are unattended, not unknown, while they have no queue."""
        self._expected = frozenset(expected)
        self._counts: dict[str, Consumers] = {}
        self._heard: dict[str, dict[str, Heard]] = {}
        self._connection: Connection | None = None
        self._connected_at = 0.0
        self._channel: Channel | None = None
        self._asking = asyncio.Lock()

    def connected(self, connection: Connection) -> None:
        """Ask over this connection from now on."""
        self._connection = connection
        self._connected_at = time.monotonic()
        self._channel = None
        self._counts.clear()

    def disconnected(self) -> None:
        """Nobody can be asked."""
        self._connection = None

    async def require(self, provider: str) -> None:
        """Return if the provider is attended, else raise what the caller has to be told."""
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

    async def is_attended(self, provider: str) -> bool:
        """Tell whether a worker takes the provider's operations; raises BrokerError."""
        is_heard = self._attached(provider, QUIET_S) > 0
        if is_heard and self._connection is not None and self._connection.silence() < FRESH_S:
            return True
        if not await self._count(provider):
            return False
        if self._attached(provider, FORGET_S):
            return True
        is_new = time.monotonic() - self._connected_at < FORGET_S
        return is_new and not self._heard.get(provider)

    def hear(self, message: Message) -> None:
        """Take in what a worker says about itself; raises msgspec.DecodeError."""
        told = decode(message.body, MESSAGES, type=Announcement)
        self._heard.setdefault(told.provider, {})[told.worker] = Heard(time.monotonic(), told)

    def forget(self) -> None:
        """Drop the workers that were silent for too long; called at intervals."""
        oldest = time.monotonic() - FORGET_S
        lately = {
            provider: {name: each for name, each in heard.items() if each.at >= oldest}
            for provider, heard in self._heard.items()
        }
        self._heard = {provider: heard for provider, heard in lately.items() if heard}

    def workers(self, provider: str) -> list[Announcement]:
        """The workers of a provider that announced themselves lately and have not gone, by name."""
        oldest = time.monotonic() - FORGET_S
        heard = sorted(self._heard.get(provider, {}).items())
        return [each.told for _, each in heard if each.at >= oldest and each.told.state != "gone"]

    def attached(self, provider: str) -> int:
        """The number of workers that take the provider's operations.

        Owners divide the partitions by this number, so a worker without a recent announcement does
        not count: the other owners would release partitions that no other worker takes.
        """
        return self._attached(provider, LATELY_S)

    def is_draining(self, provider: str) -> bool:
        """Tell whether a worker takes no more queries but may still answer those that it has."""
        return any(told.state == "draining" for told in self.workers(provider))

    def providers(self) -> list[str]:
        """Every provider that is expected, has announced itself or has a queue, by name."""
        counted = {name for name, seen in self._counts.items() if seen.count is not None}
        return sorted(
            self._expected | counted | {name for name in self._heard if self.workers(name)}
        )

    def _attached(self, provider: str, within: float) -> int:
        """The number of attached workers that announced themselves in the last `within` seconds."""
        oldest = time.monotonic() - within
        return sum(
            each.at >= oldest and each.told.state == "attached"
            for each in self._heard.get(provider, {}).values()
        )

    async def _count(self, provider: str) -> int | None:
        """The broker's count, known to half a second and asked once at a time."""
        if len(self._counts) >= MOST_PROVIDERS:
            self._counts.clear()
        seen = self._counts.setdefault(provider, Consumers())
        if seen.is_fresh:
            return seen.count
        async with seen.asking:
            if not seen.is_fresh:
                # One question at a time: the answer that there is no queue closes the channel.
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
            # The library closes a channel on which a question was given up, but not at once.
            if self._channel is channel:
                self._channel = None
            raise

    async def _is_routed(self, provider: str) -> bool:
        """Tell whether the provider has a queue, by a message that expires as it arrives.

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
