"""Exports of the audit in tests: a broker with records, and what an output has."""

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pyarrow import dataset

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from gateway.audit.stream import Range, range_of

SUFFIXES = (".jsonl", ".csv", ".parquet")


def on_connection(amqp_url: str, task: Callable[[Connection], Awaitable[None]]) -> None:
    """Run a task on a connection."""
    asyncio.run(ReconnectingConnection(amqp_url, "test").run(task))


def audit_again(amqp_url: str, **arguments: topology.Argument) -> None:
    """Delete the audit, and declare another one; arguments have `_` instead of `-`."""
    kept = {"x-queue-type": "stream"} | {
        name.replace("_", "-"): value for name, value in arguments.items()
    }

    async def session(connection: Connection) -> None:
        async with connection.passing_channel() as channel:
            await channel.delete_queue(topology.AUDIT)
            await channel.declare_queue(topology.AUDIT, kept)
            await channel.bind(topology.OUTCOMES, topology.AUDIT, "#", to_exchange=False)

    on_connection(amqp_url, session)


def first_offset(amqp_url: str) -> int:
    """Return the offset of the oldest record of the audit."""
    found = Range(0, 0)

    async def session(connection: Connection) -> None:
        nonlocal found
        found = await range_of(connection)

    on_connection(amqp_url, session)
    return found.start


def rows(to: Path) -> list[dict[str, Any]]:
    """Return all records of an output."""
    if to.suffix == ".jsonl":
        return [json.loads(line) for line in to.read_text().splitlines()]
    if to.suffix == ".csv":
        with to.open(newline="") as file:
            return list(csv.DictReader(file))
    found: list[dict[str, Any]] = (
        dataset.dataset(sorted(to.glob("*.parquet"))).to_table().to_pylist()
    )
    return found


def offsets(to: Path) -> list[int]:
    """Return the offsets of the records of an output, in their order."""
    return [int(row["offset"]) for row in rows(to)]


def read_so_far(to: Path) -> int:
    """Return the size of an output, also while it is written: bytes, or files."""
    if to.suffix == ".parquet":
        return len(list(to.glob("*.parquet")))
    return to.stat().st_size if to.exists() else 0
