"""The composition root of a worker: builds all of its parts and runs them."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from contracts import VERSION, topology
from contracts.address import SLOTS
from contracts.broker.attendance import Announcement
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.observation.broker import watch_connections
from contracts.observation.exporter import exporter, metrics_listener
from contracts.observation.registry import Registry
from contracts.process import garbage
from contracts.process.environment import ConfigurationError, shown
from contracts.seal import Seals
from worker.consumer import Consumer
from worker.dispatch import Dispatch
from worker.fence import Fence
from worker.gauges import watch, watch_informers, watch_shared_reads
from worker.messages.clock import Clock
from worker.messages.publisher import Publisher
from worker.messages.queries import Queries
from worker.messages.record import Record
from worker.messages.replies import Replies
from worker.metrics import Metrics
from worker.partitions.balance import Balance
from worker.partitions.bodies import DEFAULT_LIMITS, Bodies, Limits
from worker.partitions.capacity import Capacity
from worker.partitions.commands import Commands
from worker.partitions.partition import Partition
from worker.partitions.runs import Runs
from worker.providers import PROVIDERS
from worker.settings import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, environment: Mapping[str, str]) -> None:
    """Run a worker until SIGTERM or SIGINT; running operations finish within the grace period."""
    open_provider = PROVIDERS.get(settings.provider)
    if open_provider is None:
        known = ", ".join(sorted(PROVIDERS))
        given = shown(settings.provider)
        raise ConfigurationError(f"PLT_PROVIDER={given}: expected one of {known}")
    name = settings.attached_as()
    seals = Seals(settings.seal_key)
    metrics = Metrics(name, Registry("worker"))
    async with open_provider(environment) as provider:
        garbage.configure()
        await work(
            settings,
            Dispatch(name, provider, seals, settings.allowed_producers(), metrics),
            seals,
            _stop_on_signals(),
        )


async def work(settings: Settings, dispatch: Dispatch, seals: Seals, stop: asyncio.Event) -> None:
    """Attach to the broker and run queries and commands until `stop` is set."""
    observed = metrics_listener(settings.metrics_host, settings.metrics_port)
    worker = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:4]}"
    since = time.time()
    clock = Clock()
    consuming = ReconnectingConnection(
        settings.amqp_url, f"machinist worker {dispatch.name} {worker} consume"
    )
    publishing = ReconnectingConnection(
        settings.amqp_url, f"machinist worker {dispatch.name} {worker} publish"
    )

    def announcement() -> Announcement:
        return Announcement(
            worker,
            dispatch.name,
            VERSION,
            since,
            consumer.owned,
            round(clock.behind, 3),
            consumer.state,
            consumer.missing,
            seals.names,
            dispatch.live_reads(),
        )

    publisher = Publisher(publishing, announcement)
    metrics = dispatch.metrics
    watch_connections(metrics.registry, {"consume": consuming, "publish": publishing})
    record = Record(worker, dispatch.name, publisher, metrics.audit)

    def unready() -> str | None:
        return None if consumer.state == "attached" else f"the worker is {consumer.state}"

    async with asyncio.TaskGroup() as running:
        replies = Replies(worker, publisher, seals, running)
        consumer = consuming_side(
            dispatch,
            replies,
            record,
            consuming,
            clock,
            running,
            seals=seals,
            announce=publisher.announce,
            concurrency=settings.concurrency,
            tag=f"worker {worker}",
            limits=Limits(settings.held_bytes, settings.held_disk_bytes),
        )
        async with (
            exporter(observed, metrics.registry, unready),
            asyncio.TaskGroup() as connections,
        ):
            tasks = [
                connections.create_task(publishing.run(publisher.session)),
                connections.create_task(consuming.run(consumer.session)),
            ]
            await stop.wait()
            log.info("stopping: running operations have %d seconds", settings.grace_seconds)
            consumer.stop(settings.grace_seconds)
            await publisher.announce_now()
            await consumer.drain(settings.grace_seconds)
            await publisher.announce_now()
            for task in tasks:
                task.cancel()
        consumer.abort()


def consuming_side(
    dispatch: Dispatch,
    replies: Replies,
    record: Record,
    link: ReconnectingConnection,
    clock: Clock,
    group: asyncio.TaskGroup,
    *,
    seals: Seals,
    announce: Callable[[], None],
    concurrency: int,
    tag: str,
    limits: Limits = DEFAULT_LIMITS,
) -> Consumer:
    """Build the consumer with its queries and partitions.

    `group` runs queries and commands; it outlives connections. `concurrency` limits queries and,
    separately, commands. `tag` is the consumer tag in the management UI.
    """
    runs = Runs(group)
    fence = Fence(runs.stop_all)
    balance, capacity, bodies = Balance(), Capacity(concurrency), Bodies(limits)
    commands = Commands(dispatch, replies, record, clock, fence, runs, seals)
    partitions = [
        Partition(
            topology.partition_queue(dispatch.name, slot),
            slot,
            group=group,
            runs=runs,
            fence=fence,
            capacity=capacity,
            bodies=bodies,
            work=commands,
            on_worker_count=balance.set_workers,
            tag=tag,
        )
        for slot in range(SLOTS)
    ]
    queries = Queries(dispatch, replies, clock, group, concurrency=concurrency, tag=tag)
    consumer = Consumer(dispatch.name, link, queries, partitions, balance, runs, fence, announce)
    watch(dispatch.metrics.registry, dispatch.name, consumer, partitions, bodies, clock)
    watch_informers(dispatch.metrics.registry, dispatch.name, dispatch.informer_states)
    watch_shared_reads(dispatch.metrics.registry, dispatch.name, dispatch.shared_reads_state)
    return consumer


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
