"""Outcomes at a constant rate, as many workers would publish them."""

import asyncio
import time
from typing import Any

from contracts import outcomes
from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.records.requests import Request
from contracts.wire import Message

BEAT_S = 0.25
NAMES = ("bakery", "checkout", "search", "mail", "reports", "images")


def command(number: int) -> list[Message]:
    """Return the two records of a command; one in fifty fails."""
    name, at = NAMES[number % len(NAMES)], outcomes.now()
    replicas = number % 9 + 1
    known: dict[str, Any] = {
        "id": f"load-{number}",
        "operation": "update_controller_replicas",
        "provider": "k8s",
        "address": f"controllers.shop-{number % 20}.{name}",
        "requested_by": f"icc-{number % 3}",
        "asked": at,
        "started": at,
        "worker": "worker-1",
    }
    body = {"scope": "shop", "name": name, "replicas": replicas}
    request = Request(exchange="machinist.commands", body=body)
    end: dict[str, Any] = {
        "result": Result.DONE,
        "before": {"replicas": 2},
        "after": {"replicas": replicas},
    }
    if number % 50 == 0:
        fault = Cause(Code.NOT_FOUND, f"there is no controller {name!r}")
        end = {"result": Result.FAILED, "fault": fault, "status": 404}
    records = [
        Outcome(**known, result=Result.STARTED, request=request),
        Outcome(**known, **end, finished=at),
    ]
    return [outcomes.message_of(each, "worker/load") for each in records]


async def publish(connection: Connection, number: int, seconds: float) -> float:
    """Publish the records of this number of commands in this time; return the time it took."""
    async with connection.passing_channel() as channel:
        began = time.monotonic()
        done = 0
        while done < number:
            await asyncio.sleep(max(0.0, began + done / number * seconds - time.monotonic()))
            until = min(number, done + max(1, round(number * BEAT_S / seconds)))
            await _publish(channel, range(done, until))
            done = until
        return time.monotonic() - began


async def _publish(channel: Channel, numbers: range) -> None:
    pairs = [command(number) for number in numbers]
    await asyncio.gather(*(channel.publish(each) for pair in pairs for each in pair))
