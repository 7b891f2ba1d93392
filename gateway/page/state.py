"""The state that the page shows beside the outcomes: providers, workers, queues, what waits."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from contracts import VERSION, topology
from contracts.address import SLOTS
from contracts.broker.attendance import Announcement, Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.records.results import Result
from contracts.wire import HEADER_REQUESTED_BY
from gateway.calls.session import Pending
from gateway.page.depths import Depths
from gateway.page.feed import Feed, Visible
from gateway.page.queries import Answered, Queries
from gateway.page.rates import Minute
from gateway.page.rows import Row

MOST_WAITING = 20

Readable = Callable[[str], bool]
"""Tells whether the reader may know a provider."""


class Worker(Struct, frozen=True):
    """An attached worker; `since` is in milliseconds, `behind` is its clock's delay in seconds."""

    name: str
    version: str
    since: int
    state: str
    partitions: list[int]
    behind: float


class Partition(Struct, frozen=True):
    """A queue of commands: its owner, None without one, and the number of ready messages."""

    owner: str | None
    ready: int | None


class Provider(Struct, frozen=True):
    """A provider; `queries` is the number of queries that no worker has received yet.

    `minute` has the commands of all gateways and producers, `answered` the queries of this gateway.
    """

    name: str
    workers: list[Worker]
    partitions: list[Partition]
    queries: int | None
    minute: Minute
    answered: Answered | None


class Waiting(Struct, frozen=True):
    """A command that runs, or a request of this gateway that waits for its reply.

    `since` is in milliseconds of the Unix epoch: of the start, or of the request.
    """

    kind: str
    since: int
    id: str
    operation: str
    provider: str
    address: str
    by: str


class Snapshot(Struct, frozen=True, rename="camel"):
    """What one reader may see; `broker` and `audit` are the reasons why they cannot be reached."""

    gateway: str
    version: str
    broker: str | None
    audit: str | None
    missing: list[str]
    ended: int | None
    dead: int | None
    providers: list[Provider]
    waiting: list[Waiting]


class State:
    """Takes snapshots; everything in them is in memory already."""

    def __init__(
        self,
        gateway: str,
        link: ReconnectingConnection,
        attendance: Attendance,
        missing: Callable[[], list[str]],
        pending: Callable[[], Iterable[Pending]],
        feed: Feed,
        depths: Depths,
        queries: Queries,
    ) -> None:
        """`missing` returns the missing queues, `pending` the requests without a reply."""
        self._gateway = gateway
        self._link = link
        self._attendance = attendance
        self._missing = missing
        self._pending = pending
        self._feed = feed
        self._depths = depths
        self._queries = queries

    def snapshot(self, audit: str | None, readable: Readable, visible: Visible) -> Snapshot:
        """Return what a reader may see of providers, and of rows."""
        self._queries.sample()
        names = self._attendance.providers()
        hidden = [name for name in names if not readable(name)]
        return Snapshot(
            gateway=self._gateway,
            version=VERSION,
            broker=None if self._link.is_up else self._link.reason,
            audit=audit,
            missing=[each for each in self._all_missing() if not _names(each, hidden)],
            ended=self._depths[topology.ENDED],
            dead=self._depths[topology.DEAD],
            providers=[self._provider(name) for name in names if name not in hidden],
            waiting=self._waiting(visible),
        )

    def _all_missing(self) -> Iterable[str]:
        """Return the missing queues and bindings of this gateway and all workers, once each."""
        workers = [
            each
            for provider in self._attendance.providers()
            for worker in self._attendance.workers(provider)
            for each in worker.missing
        ]
        return dict.fromkeys([*self._missing(), *workers])

    def _provider(self, name: str) -> Provider:
        workers = self._attendance.workers(name)
        owners = {slot: each.worker for each in workers for slot in each.partitions}
        return Provider(
            name=name,
            workers=[_worker(each) for each in workers],
            partitions=[
                Partition(owners.get(slot), self._depths[topology.partition_queue(name, slot)])
                for slot in range(SLOTS)
            ],
            queries=self._depths[topology.queries_queue(name)],
            minute=self._feed.rates.minute(name),
            answered=self._queries.minute(name),
        )

    def _waiting(self, visible: Visible) -> list[Waiting]:
        """Return what waits longest; a command that runs is not listed as a request too."""
        running = self._feed.running(visible, MOST_WAITING)
        known = {row.id for row in running}
        rows = [_waiting("running", row) for row in running]
        requests = map(_row_of_request, self._pending())
        rows += [
            _waiting("request", row) for row in requests if row.id not in known and visible(row)
        ]
        return sorted(rows, key=lambda row: row.since)[:MOST_WAITING]


def _worker(announced: Announcement) -> Worker:
    return Worker(
        name=announced.worker,
        version=announced.version,
        since=int(announced.since * 1000),
        state=announced.state,
        partitions=announced.partitions,
        behind=announced.clock_behind,
    )


def _waiting(kind: str, row: Row) -> Waiting:
    return Waiting(kind, row.at, row.id, row.operation, row.provider, row.address, row.by)


def _row_of_request(pending: Pending) -> Row:
    message = pending.message
    # The routing key of a query has no slot.
    address = message.key.split(".", 1 if pending.safe else 2)[-1]
    requested = pending.deadline - (message.expiration or 0) / 1000
    return Row(
        offset=-1,
        id=message.message_id,
        result=Result.STARTED,
        operation=message.type,
        provider=pending.provider,
        address=address,
        by=str(message.headers.get(HEADER_REQUESTED_BY, "")),
        at=int(requested * 1000),
    )


def _names(text: str, providers: Iterable[str]) -> bool:
    """Tell whether a text has the name of a queue of one of these providers."""
    return any(f"machinist.{provider}." in text for provider in providers)
