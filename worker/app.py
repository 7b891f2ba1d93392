"""The composition root of a worker: everything it consists of is put together here."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping
from uuid import uuid4

from contracts import VERSION
from contracts.broker.attendance import Announcement
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.environment import ConfigurationError, shown
from contracts.seal import Seals
from worker.bodies import Limits
from worker.clock import Clock
from worker.consumer import Consumer
from worker.dispatch import Dispatch
from worker.providers import PROVIDERS
from worker.publisher import Publisher
from worker.record import Record
from worker.replies import Replies
from worker.settings import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, environment: Mapping[str, str]) -> None:
    """Run a worker until it is told to stop; what runs is finished first, within its grace."""
    opened = PROVIDERS.get(settings.provider)
    if opened is None:
        known = ", ".join(sorted(PROVIDERS))
        given = shown(settings.provider)
        raise ConfigurationError(f"PLT_PROVIDER={given}: expected one of {known}")
    name = settings.attached_as()
    seals = Seals.from_text(settings.seal_key)
    async with opened(environment) as provider:
        await work(
            settings,
            Dispatch(name, provider, seals, settings.allowed_producers()),
            seals,
            _stop_on_signals(),
        )


async def work(settings: Settings, dispatch: Dispatch, seals: Seals, stop: asyncio.Event) -> None:
    """Attach to the broker and run what comes, until `stop` is set."""
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
        )

    publisher = Publisher(publishing, announcement)
    record = Record(worker, dispatch.name, publisher)
    async with asyncio.TaskGroup() as running:
        replies = Replies(worker, publisher, seals, running)
        consumer = Consumer(
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
        async with asyncio.TaskGroup() as links:
            tasks = [
                links.create_task(publishing.run(publisher.session)),
                links.create_task(consuming.run(consumer.session)),
            ]
            await stop.wait()
            log.info("stopping: what runs has %d seconds", settings.grace_seconds)
            consumer.stop()
            await publisher.tell()
            await consumer.drain(settings.grace_seconds)
            await publisher.tell()
            for task in tasks:
                task.cancel()
        consumer.abort()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
