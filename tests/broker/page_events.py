"""A client of the live page's events, as a script of the page reads them."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec

from tests.stack import BOUND_S, Gateway


class Event(msgspec.Struct, frozen=True):
    """An event; `id` is the position after which a client continues."""

    name: str
    id: str | None
    data: Any


def follow(
    gateway: Gateway, until: Callable[[list[Event]], object], after: str = "", query: str = ""
) -> list[Event]:
    """Return the events up to the first ones that meet a condition."""
    events: list[Event] = []
    ends = time.monotonic() + BOUND_S
    headers = {"last-event-id": after}
    with gateway.http.stream("GET", f"/page/events{query}", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        for event in _events(answer):
            events.append(event)
            if until(events):
                return events
            assert time.monotonic() < ends, events[-3:]
    raise AssertionError(f"the stream ended: {events[-3:]}")


def rows(events: list[Event]) -> list[dict[str, Any]]:
    """Return the outcomes in the order of their arrival."""
    return [row for each in events if each.name == "outcomes" for row in each.data["rows"]]


def _events(answer: httpx.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            data = msgspec.json.decode(fields["data"])
            yield Event(fields["event"], fields.get("id"), data)
            fields = {}
