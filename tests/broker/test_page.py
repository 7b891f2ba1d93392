"""The live page on a real broker: outcomes as they happen, reconnects, search, and the stop."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts import outcomes
from contracts.broker.connection import Connection
from gateway.identity import tokens
from gateway.page.feed import KEPT
from tests.audit.records import ended as record_ended
from tests.broker.attempts import run_session
from tests.broker.page_events import Event, follow, rows
from tests.identity.guarded import rule
from tests.stack import Gateway, Stack, eventually, in_thread


def scaled(gateway: Gateway, replicas: int) -> str:
    """Scale `hello`, and return the id of the command."""
    answer = gateway.scale("hello", replicas)
    assert answer.status_code == 200
    return answer.headers["command-id"]


def ended(events: list[Event]) -> dict[str, dict[str, Any]]:
    """Return the rows of commands that have ended, by id."""
    return {row["id"]: row for row in rows(events) if row["result"] != "started"}


def finals(events: list[Event]) -> list[str]:
    """Return the ids of final records; a start may arrive before, in the same batch or not."""
    return [row["id"] for row in rows(events) if row["result"] != "started"]


def test_a_scaling_appears_while_it_runs_and_when_it_ends(stack: Stack) -> None:
    gateway, _ = stack.serving()
    follow(gateway, lambda events: events[-1].name == "state")
    fault = stack.sandbox.faults.add(method="PATCH", delay=120, times=1)
    scaling = in_thread(lambda: gateway.scale("hello", 5))

    running = follow(gateway, rows)
    waiting = follow(gateway, lambda events: waits_as(events, "running"))[-1].data["waiting"]
    fault.delay = 0
    command_id = scaling.result().headers["command-id"]
    done = follow(gateway, lambda events: command_id in ended(events))

    assert [(row["id"], row["result"]) for row in rows(running)] == [(command_id, "started")]
    assert [each["id"] for each in waiting] == [command_id]
    row = ended(done)[command_id]
    assert (row["result"], row["provider"], row["address"], row["status"]) == (
        "done",
        "k8s",
        "controllers.default.hello",
        200,
    )
    assert row["what"].endswith("→ 5")


def test_a_client_that_reconnects_continues_without_a_gap_or_a_repeat(stack: Stack) -> None:
    gateway, _ = stack.serving()
    first = scaled(gateway, 3)
    events = follow(gateway, lambda events: first in ended(events))
    missed = [scaled(gateway, replicas) for replicas in (4, 5)]

    position = next(each.id for each in reversed(events) if each.id is not None)
    assert position is not None
    later = follow(gateway, lambda events: missed[-1] in ended(events), after=position)

    assert finals(later) == missed
    assert sum(each.data["gap"] for each in later if each.name == "outcomes") == 0


def test_another_gateway_continues_where_the_first_one_ended(stack: Stack) -> None:
    """Positions are those of the stream, which all gateways read."""
    gateway, _ = stack.serving()
    first = scaled(gateway, 3)
    events = follow(gateway, lambda events: first in ended(events))
    position = next(each.id for each in reversed(events) if each.id is not None)
    assert position is not None
    second = scaled(gateway, 4)
    other = stack.gateway()

    later = follow(other, lambda events: second in ended(events), after=position)

    assert finals(later) == [second]


def test_the_state_has_workers_partitions_with_owners_and_queues(stack: Stack) -> None:
    gateway, _ = stack.serving(workers=2)

    def is_shared(events: list[Event]) -> bool:
        (provider,) = [each for each in events[-1].data.get("providers", [{}])]
        owners = [each["owner"] for each in provider.get("partitions", [])]
        ready = [each["ready"] for each in provider.get("partitions", [])]
        is_measured = ready == [0] * 8 and provider["queries"] == 0
        return is_measured and None not in owners and len(set(owners)) == 2

    state = follow(gateway, lambda events: events[-1].name == "state" and is_shared(events))

    assert len(state[-1].data["providers"][0]["workers"]) == 2
    assert (state[-1].data["broker"], state[-1].data["audit"]) == (None, None)
    assert state[-1].data["dead"] == 0


def test_outcomes_continue_after_the_loss_of_the_connection(
    stack: Stack, management: httpx.Client
) -> None:
    gateway, _ = stack.serving()
    first = scaled(gateway, 3)
    with ThreadPoolExecutor(1) as executor:
        following = executor.submit(
            follow, gateway, lambda events: len(ended(events)) == 2 and rows(events)
        )
        eventually(lambda: page_connections(stack, management), what="the page has a connection")
        for name in page_connections(stack, management):
            management.delete(f"/connections/{name}").raise_for_status()
        second = scaled(gateway, 4)

        events = following.result()

    assert finals(events) == [first, second]


def test_the_search_finds_a_command_and_its_story(stack: Stack) -> None:
    gateway, _ = stack.serving()
    command_id, second = scaled(gateway, 5), scaled(gateway, 6)
    follow(gateway, lambda events: second in ended(events))  # the audit has its record

    found = gateway.get("/page/audit?scope=default&name=hello&result=done&number=1").json()
    story = gateway.get(f"/page/commands/{command_id}").json()
    absent = gateway.get("/page/commands/absent")

    assert [row["what"].split()[-1] for row in found["rows"]] == ["6"]
    assert found["total"] >= 4
    assert [each["result"] for each in story["records"]] == ["started", "done"]
    assert story["records"][0]["request"]["body"]["replicas"] == 5
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")


def test_a_reader_of_another_scope_finds_nothing(stack: Stack, tmp_path: Path) -> None:
    admin, shop = tokens.new_token(), tokens.new_token()
    rules = [
        rule("admin", providers=["*"], scopes=["*"]),
        rule("shop", providers=["k8s"], scopes=["shop"]),
    ]
    (tmp_path / "rights.json").write_text(json.dumps({"rules": rules}))
    lines = [tokens.line_of(admin, "admin", None), tokens.line_of(shop, "shop", None)]
    (tmp_path / "tokens").write_text("\n".join(lines))
    files = {
        "PLT_AUTH": "token",
        "PLT_AUTH_RIGHTS": f"{tmp_path}/rights.json",
        "PLT_AUTH_TOKENS": f"{tmp_path}/tokens",
    }
    stack.worker()
    gateway = stack.gateway(admin, **files)
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")
    command_id = scaled(gateway, 5)
    paths = ["/page/audit", f"/page/commands/{command_id}"]
    seen = [gateway.get(path) for path in paths]
    gateway.http.headers["authorization"] = f"Bearer {shop}"

    hidden = [gateway.get(path) for path in paths]
    events = follow(gateway, lambda events: events[-1].name == "state" and len(events) > 2)

    assert [each.status_code for each in seen] == [200, 200]
    assert [each.status_code for each in hidden] == [200, 404]
    assert hidden[0].json()["rows"] == []
    assert rows(events) == []
    assert "hello" not in "".join(str(each.data) for each in events)


def test_a_stopping_gateway_ends_the_streams_at_once(stack: Stack) -> None:
    """Otherwise the stop would wait for the streams as for requests under way."""
    gateway, _ = stack.serving()

    def stop(events: list[Event]) -> bool:
        if len(events) == 1:
            gateway.terminate()
        return False

    with pytest.raises(AssertionError, match="the stream ended"):
        follow(gateway, stop)

    assert gateway.ended() == 0
    assert "the stop cuts" not in gateway.log.read_text()


def test_a_page_costs_no_connection_when_nobody_looks(
    stack: Stack, management: httpx.Client
) -> None:
    gateway, _ = stack.serving()
    follow(gateway, lambda events: events[-1].name == "state")
    eventually(lambda: page_connections(stack, management), what="the page has a connection")

    eventually(lambda: not page_connections(stack, management), what="it is closed")


def test_every_record_of_a_long_backlog_is_shown_or_counted(stack: Stack) -> None:
    gateway, _ = stack.serving()
    first = scaled(gateway, 3)
    events = follow(gateway, lambda events: first in ended(events))
    position = next(each.id for each in reversed(events) if each.id is not None)
    assert position is not None
    number = KEPT + 500
    run_session(stack.amqp_url, publishing(number))

    later = follow(gateway, lambda events: counted(events) >= number, after=position)

    assert counted(later) == number
    assert len(rows(later)) < KEPT


def waits_as(events: list[Event], kind: str) -> bool:
    """Tell whether the last event is a state in which something waits, all of this kind.

    A command that runs is a request until the page has read its first record.
    """
    return {each["kind"] for each in events[-1].data.get("waiting", [])} == {kind}


def counted(events: list[Event]) -> int:
    """Return the number of records that events show, leave out, or report as a gap."""
    batches = [each.data for each in events if each.name == "outcomes"]
    return sum(len(each["rows"]) + sum(each["leftOut"].values()) + each["gap"] for each in batches)


def publishing(number: int) -> Callable[[Connection], Awaitable[None]]:
    """Return a session that publishes this number of outcomes of different commands."""
    messages = [
        outcomes.message_of(record_ended(f"m{each}", at=outcomes.now()), "worker/test")
        for each in range(number)
    ]

    async def session(connection: Connection) -> None:
        async with connection.passing_channel() as channel:
            for first in range(0, number, 100):
                await asyncio.gather(*map(channel.publish, messages[first : first + 100]))

    return session


def page_connections(stack: Stack, management: httpx.Client) -> list[str]:
    """Return the names of the open connections of pages in the virtual host of a stack."""
    return [
        each["name"]
        for each in management.get("/connections").json()
        if stack.amqp_url.endswith(f"/{each['vhost']}")
        and each["client_properties"].get("connection_name", "").endswith(" page")
    ]
