"""The memory of a worker stays bounded with large messages and with many waiting messages."""

import asyncio
from pathlib import Path

import msgspec

from contracts import address, topology
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.outcomes import Result
from contracts.topology import MIB
from contracts.wire import Message
from tests.auditor import Auditor
from tests.broker.test_order import assert_in_order, assert_no_overlap, writes_by_name
from tests.producer import lasting_event, publish
from tests.stack import Process, Stack, eventually

LARGE = 15 * MIB
"""Below 16 MiB, the limit of RabbitMQ 4."""

MEMORY_LIMIT = 200 * MIB
"""Memory of a worker: 70 MiB when idle, 64 MiB of bodies, and the delivery being read."""


def padded(event: Message, size: int) -> Message:
    """Return the event with its body padded to a size."""
    return msgspec.structs.replace(event, body=event.body[:-1].ljust(size - 1) + b"}")


def peak_memory(process: Process) -> int:
    """Return the peak resident memory of a process in bytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def undelivered(amqp_url: str, name: str) -> int:
    """Count the undelivered commands in the slot of a controller."""
    queue = topology.partition_queue("k8s", address.slot(f"controllers.default.{name}"))
    found = 0

    async def session(connection: Connection) -> None:
        nonlocal found
        async with connection.passing_channel() as channel:
            found = await channel.messages(queue)

    asyncio.run(ReconnectingConnection(amqp_url, "test").run(session))
    return found


def test_events_over_the_size_limit_are_dead_lettered_and_fill_no_memory(
    stack: Stack,
) -> None:
    gateway, (worker,) = stack.serving()
    hanging = stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=5, times=None)
    events = [padded(lasting_event("hello", n), LARGE) for n in range(20)]
    with Auditor(stack.amqp_url) as auditor:
        publish(stack.amqp_url, [lasting_event("hello", 1)])
        eventually(lambda: hanging.hits, what="the command before the events runs")
        assert publish(stack.amqp_url, events) == 0
        finals = [auditor.final(event.message_id) for event in events]

        assert {final.result for final in finals} == {Result.DEAD}
        assert {len(auditor.of(event.message_id)) for event in events} == {1}
        for final in finals:
            assert final.fault is not None
            assert f"has {LARGE} bytes, the limit is {MIB}" in final.fault.message
    assert gateway.scale("hello", 5).status_code == 200
    assert hanging.hits == 2, "an oversized event ran"
    print("HWM", peak_memory(worker) >> 20)
    assert peak_memory(worker) < MEMORY_LIMIT


def test_200_mib_of_waiting_commands_use_little_memory_and_run_in_order(
    stack: Stack,
) -> None:
    _, (worker,) = stack.serving()
    stack.sandbox.add_deployment("app", replicas=0)
    stack.sandbox.calls.clear()
    hanging = stack.sandbox.faults.add(method="PATCH", path="/app$", delay=600, times=1)
    first = msgspec.structs.replace(lasting_event("app", 0), expiration=20_000)
    later = [padded(lasting_event("app", n), 500_000) for n in range(1, 421)]
    publish(stack.amqp_url, [first])
    eventually(lambda: hanging.hits, what="the first command runs")
    assert publish(stack.amqp_url, later) == 0
    eventually(
        lambda: undelivered(stack.amqp_url, "app") == 0, what="the worker holds all commands"
    )
    assert len(writes_by_name(stack.sandbox)["app"]) == 1

    eventually(lambda: len(writes_by_name(stack.sandbox)["app"]) >= len(later) + 1, 240)
    written = writes_by_name(stack.sandbox)["app"]
    assert len(written) == len(later) + 1
    assert_in_order(written)
    assert_no_overlap(written[1:])
    print("HWM", peak_memory(worker) >> 20)
    assert peak_memory(worker) < MEMORY_LIMIT
