"""A page whose feed has given records, and the events that a client receives from it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from contracts import VERSION
from contracts.broker.attendance import Announcement, Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.outcomes import Outcome
from gateway.app import application
from gateway.calls.checks import Checks
from gateway.calls.session import Pending
from gateway.http.draining import Draining
from gateway.identity.guard import Guard
from gateway.page.feed import Feed
from gateway.page.page import Page
from tests.audit.records import NOON, ended, in_stream, started
from tests.gateway.client import Client
from tests.identity.guarded import Called

MINUTE = timedelta(minutes=1)
NOW = NOON.timestamp() + 1


def fed(feed: Feed, *records: Outcome) -> Feed:
    """Add records behind those that the feed has."""
    first = feed.newest + 1
    for number, message in enumerate(in_stream(*records), first):
        headers = message.headers | {"x-stream-offset": number}
        feed.add(msgspec.structs.replace(message, headers=headers))
    feed.is_current = True
    return feed


def scaled(number: int, **what: Any) -> list[Outcome]:
    """Return the records of a number of commands that were done."""
    ids = [f"m{each}" for each in range(number)]
    return [record for each in ids for record in (started(each, **what), ended(each, **what))]


class Scene:
    """A page that a client reads; nothing connects to a broker."""

    def __init__(
        self,
        *records: Outcome,
        guard: Guard | None = None,
        missing: Iterable[str] = (),
        pending: Iterable[Pending] = (),
        draining: Draining | None = None,
    ) -> None:
        self.attendance, self.draining = Attendance(["ecs"]), draining or Draining()
        self.link = link = ReconnectingConnection("amqp://broker.test/", "test")
        self.page = Page(
            "gw",
            link,
            link,
            self.attendance,
            self.draining,
            lambda: list(missing),
            lambda: pending,
        )
        fed(self.page.feed, *records)
        checks = Checks(self.attendance)
        self.app = application(
            Called(),
            link,
            self.attendance,
            checks,
            1000,
            draining=self.draining,
            guard=guard,
            page=self.page,
        )
        self.client = Client(self.app)

    def announce(self, provider: str, **more: Any) -> None:
        """Let a worker announce itself."""
        known = {"worker": f"{provider}-1", "version": VERSION, "since": NOW}
        announced = msgspec.convert(known | more | {"provider": provider}, Announcement)
        self.attendance.hear(announced.message())

    async def events(self, query: str = "", **more: Any) -> dict[str, Any]:
        """Return the first events of the stream by name."""
        answer = await self.client.get(f"/page/events{query}", **more)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        return dict(map(parsed, answer.body.decode().split("\n\n")[:-1]))


def parsed(event: str) -> tuple[str, Any]:
    """Return the name and the data of an event."""
    fields = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
    return fields["event"], msgspec.json.decode(fields["data"])
