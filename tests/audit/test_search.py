"""The search reads a real stream from its end back, and only as far as it must."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

import httpx
import msgspec
import pytest

from contracts import outcomes, topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.outcomes import Outcome, Result
from contracts.records.command_ids import new_command_id
from gateway.audit.filters import Filters
from gateway.audit.search import FIRST_WINDOW, newest, records_of
from gateway.audit.stream import range_of
from tests.audit.records import ended, started
from tests.broker.attempts import run_session

Answer = TypeVar("Answer")

DAY = timedelta(days=1)


def planted(amqp_url: str, records: list[Outcome], *, one_by_one: bool = False) -> None:
    """Publish records to the audit in order; one by one, each is a chunk of the stream."""
    messages = [outcomes.message_of(each, "worker/test") for each in records]

    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())
        async with connection.passing_channel() as channel:
            for batch in [[each] for each in messages] if one_by_one else [messages]:
                await asyncio.gather(*map(channel.publish, batch))

    run_session(amqp_url, session)


def asked(amqp_url: str, ask: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    """Return the answer of a question over a connection."""
    answers: list[Answer] = []

    async def session(connection: Connection) -> None:
        answers.append(await ask(connection))

    run_session(amqp_url, session)
    return answers[-1]


def commands(number: int, prefix: str = "") -> list[Outcome]:
    """Return the records of many commands of the present; each starts and ends."""
    now = outcomes.now()
    return [
        record
        for each in range(number)
        for record in (started(f"{prefix}{each}", now), ended(f"{prefix}{each}", at=now))
    ]


def test_the_newest_commands_are_found_in_the_first_window(amqp_url: str) -> None:
    planted(amqp_url, commands(1000))

    found = asked(amqp_url, lambda connection: newest(connection, Filters(), 3))

    assert [each.id for each in found.commands] == ["999", "998", "997"]
    assert all(each.request for each in found.commands)
    assert (found.read, found.total) == (FIRST_WINDOW, 2000)


def test_a_search_without_a_match_reads_everything_and_tells_its_progress(amqp_url: str) -> None:
    planted(amqp_url, commands(1000))
    steps: list[tuple[int, int]] = []

    found = asked(
        amqp_url,
        lambda connection: newest(
            connection, Filters(name="none"), 3, lambda done, total: steps.append((done, total))
        ),
    )

    assert (found.commands, found.read) == ([], 2000)
    assert steps[0] == (FIRST_WINDOW, 2000)
    assert steps[-1] == (2000, 2000)


def test_a_command_is_complete_though_its_start_is_far_before_its_end(amqp_url: str) -> None:
    long_ago = outcomes.now() - timedelta(minutes=20)
    end = msgspec.structs.replace(ended("long", at=outcomes.now()), started=long_ago)
    planted(amqp_url, [started("long", long_ago), *commands(500), end])

    found = asked(amqp_url, lambda connection: newest(connection, Filters(), 1))

    assert [each.id for each in found.commands] == ["long"]
    assert found.commands[0].request is not None


def test_a_search_for_one_resource_skips_chunks_without_it(
    amqp_url: str, management: httpx.Client
) -> None:
    wanted = commands(1, "wanted")
    others = [
        msgspec.structs.replace(record, address=f"controllers.default.other-{number}")
        for number, record in enumerate(commands(150))
    ]
    planted(amqp_url, [*wanted, *others], one_by_one=True)

    resource = Filters(scope="default", name="hello")
    found = asked(amqp_url, lambda connection: newest(connection, resource, 3))

    assert [each.id for each in found.commands] == ["wanted0"]
    assert found.commands[0].request is not None
    version = management.get("/overview").json()["rabbitmq_version"]
    major, minor, *_ = map(int, version.split("."))
    skips = (major, minor) >= (3, 13)
    assert (found.read < 30) if skips else (found.read == found.total == 302)


def test_an_empty_audit_has_no_commands(amqp_url: str) -> None:
    planted(amqp_url, [])

    found = asked(amqp_url, lambda connection: newest(connection, Filters(), 1))

    assert (found.commands, found.read, found.total) == ([], 0, 0)


def test_a_time_after_the_newest_record_is_answered_without_reading(amqp_url: str) -> None:
    planted(amqp_url, commands(10))

    within = asked(amqp_url, lambda connection: range_of(connection, outcomes.now() + DAY))

    assert within.start == within.end


@pytest.mark.parametrize("new_id", [new_command_id, lambda: uuid4().hex], ids=["timed", "random"])
def test_the_records_of_a_command_are_found_by_its_id_or_its_first_digits(
    amqp_url: str, new_id: Callable[[], str]
) -> None:
    wanted, now = new_id(), outcomes.now()
    story = [
        started(wanted, now),
        started(wanted, now),
        ended(wanted, at=now, status=200),
        ended(wanted, Result.UNKNOWN, at=now),
    ]
    planted(amqp_url, [*commands(300, "a"), *story, *commands(300, "b")])

    for known in (wanted, wanted[:16]):
        found = asked(amqp_url, partial(records_of, command_id=known))
        assert [each.outcome for each in found] == story


def test_an_unknown_id_has_no_records(amqp_url: str) -> None:
    planted(amqp_url, commands(10))

    assert asked(amqp_url, lambda connection: records_of(connection, new_command_id())) == []
