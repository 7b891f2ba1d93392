"""The dead letters of a real broker, and one as a row."""

import json
from typing import Any

import msgspec
import pytest

from contracts import dead_letters, topology
from contracts.wire import Message
from deploy.rabbitmq.configuration import USER
from gateway.console.__main__ import main
from gateway.console.dead.letters import dead
from tests.console.conftest import Run
from tests.producer import publish, scale_event


def letter(number: int = 0, **what: Any) -> Message:
    """Return a dead letter with a numbered reason."""
    event = msgspec.structs.replace(scale_event("hello", number), **what)
    return dead_letters.dead_letter(event, f"reason {number}", "q", "worker/test")


def test_listing_the_dead_letters_does_not_remove_them(broker: str, run: Run) -> None:
    publish(broker, [letter(number) for number in range(3)])

    for _ in range(2):
        _, *rows = run("dead", "list")
        assert [row[-8:] for row in rows] == ["reason 0", "reason 1", "reason 2"]


def test_the_number_of_listed_dead_letters_is_limited_and_all_are_counted(
    broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(broker, [letter()] * 3)

    assert main(["dead", "list", "-n", "2", "--json"]) == 0

    shown = capsys.readouterr()
    assert [json.loads(line)["user"] for line in shown.out.splitlines()] == [USER, USER]
    assert "3 dead, 2 shown" in shown.err


def test_a_message_in_the_dead_queue_without_a_reason_is_shown() -> None:
    strange = Message(
        exchange=topology.DEAD, key="k", body=b"[" * 100_000, type="t", message_id="m1"
    )

    shown = dead(strange)

    assert (shown.reason, shown.body, shown.asked) == ("no reason given", None, None)


def test_control_characters_in_a_dead_letter_are_escaped(broker: str, run: Run) -> None:
    publish(broker, [letter(message_id="\x1b[2Jm1", type="a\u202eb")])

    shown = "".join(run("dead", "list"))

    assert shown.isprintable()
    assert r"\x1b[2Jm1" in shown
