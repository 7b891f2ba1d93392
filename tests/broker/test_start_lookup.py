"""Lookup of the start of an expired command in the audit of a real broker."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import cast

from contracts import outcomes, topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.outcomes import Result
from contracts.wire import Message
from gateway.recorder.dead_letters import Expiry
from gateway.recorder.start_lookup import StartLookup
from tests.broker.attempts import run_session
from tests.producer import scale_event


class Audited:
    """A connection that counts opened channels and publishes audit records."""

    def __init__(self, connection: Connection) -> None:
        self.opened = 0
        self._connection = connection

    def passing_channel(self):
        self.opened += 1
        return self._connection.passing_channel()

    async def publish(self, *messages: Message) -> None:
        async with self._connection.passing_channel() as channel:
            await asyncio.gather(*map(channel.publish, messages))

    async def command(self, *, started: bool, provider: str = "k8s") -> Message:
        """Return a command; if `started`, publish its start by a worker of the provider."""
        event = scale_event("hello", 3)
        if started:
            await self.publish(record_of(event, Result.STARTED, provider))
        return event


def record_of(event: Message, result: Result, provider: str = "k8s") -> Message:
    return outcomes.message_of(outcomes.outcome_of(event, provider, result), "worker/test")


BEGAN = outcomes.now() - timedelta(seconds=10)
"""A moment before all records that these tests publish."""


def expired(command: Message, since: datetime = BEGAN) -> Expiry:
    """Return the expiry of a command that was published after a moment."""
    return Expiry("k8s", command.message_id, since)


Asking = Callable[[Audited, StartLookup], Awaitable[None]]


def asking(amqp_url: str, ask: Asking, most: int = 1000, *, declared: bool = True) -> None:
    """Run lookups on a broker; with `declared`, one to which a worker was once attached."""

    async def session(connection: Connection) -> None:
        if declared:
            await declare(connection, topology.common())
            await declare(connection, topology.of_provider("k8s"))
        audited = Audited(connection)
        started = StartLookup(cast(Connection, audited), most)
        answering = asyncio.create_task(started.run())
        await ask(audited, started)
        answering.cancel()

    run_session(amqp_url, session)


def test_the_start_of_a_command_is_found_or_its_absence_proved(amqp_url):
    async def ask(audit: Audited, started: StartLookup) -> None:
        begun = await audit.command(started=True)
        waiting = await audit.command(started=False)
        other = await audit.command(started=True, provider="other")

        assert await started.of(expired(begun)) is True
        assert await started.of(expired(waiting)) is False
        assert await started.of(expired(other)) is False

    asking(amqp_url, ask)


def test_lookups_of_many_commands_read_the_audit_once_and_later_ones_continue(amqp_url):
    async def ask(audit: Audited, started: StartLookup) -> None:
        first = await asyncio.gather(*(audit.command(started=n % 2 == 0) for n in range(300)))
        questions = (started.of(expired(command)) for command in first)
        assert await asyncio.gather(*questions) == [n % 2 == 0 for n in range(300)]
        opened = audit.opened

        for was_started in (True, False):
            later = await audit.command(started=was_started)
            assert await started.of(expired(later)) is was_started

        assert opened == audit.opened == 2

    asking(amqp_url, ask)


def test_the_lookup_of_an_older_command_reads_from_an_earlier_offset(amqp_url):
    async def ask(audit: Audited, started: StartLookup) -> None:
        older = await audit.command(started=True)
        await asyncio.sleep(2.1)  # the stream keeps arrival times in whole seconds
        since = outcomes.now()
        newer = await audit.command(started=True)

        assert await started.of(expired(newer, since)) is True
        assert await started.of(expired(older)) is True

    asking(amqp_url, ask)


def test_a_lookup_over_the_read_limit_is_unknown_and_others_succeed(amqp_url, caplog):
    async def ask(audit: Audited, started: StartLookup) -> None:
        older = await audit.command(started=False)
        for _ in range(3):
            others = (record_of(scale_event("hello", n), Result.DONE) for n in range(300))
            await audit.publish(*others)
        await asyncio.sleep(2.1)  # the stream keeps arrival times in whole seconds
        since = outcomes.now()
        newer = await audit.command(started=False)
        questions = [expired(older), expired(newer, since)]

        assert await asyncio.gather(*map(started.of, questions)) == [None, False]

    asking(amqp_url, ask, most=500)
    assert "grew by more than 500 messages" in caplog.text


def test_a_lookup_without_an_audit_is_unknown_and_logged_once(amqp_url, caplog):
    caplog.set_level(logging.WARNING)

    async def ask(audit: Audited, started: StartLookup) -> None:
        for _ in range(3):
            assert await started.of(expired(scale_event("hello", 1))) is None

    asking(amqp_url, ask, declared=False)
    assert caplog.text.count("the audit cannot be read") == 1
    assert topology.AUDIT in caplog.text
