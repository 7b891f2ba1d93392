"""The dead letters of a real broker, and one as a row."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts import topology
from contracts.records import dead_letters
from contracts.wire import Message
from deploy.rabbitmq.configuration import USER
from gateway.console.__main__ import main
from gateway.console.dead.letters import dead
from tests.broker.test_recorder import dead_letters as dead_letters_of
from tests.console.conftest import Run
from tests.producer import publish, scale_event
from tests.stack import BOUND_S, REPOSITORY


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


def test_a_letter_shows_when_where_and_why_it_died(broker: str, run: Run) -> None:
    publish(broker, [letter(4, message_id="m1")])

    shown = dict(line.split("  ", 1) for line in run("dead", "show", "m") if line[0] != " ")

    assert shown["died"].strip().startswith("20")
    assert (shown["reason"].strip(), shown["queue"].strip()) == ("reason 4", "q")
    assert shown["published by"].strip() == USER


def test_a_letter_with_a_possible_secret_does_not_show_it(broker: str, run: Run) -> None:
    secret = Message(
        exchange=topology.DEAD,
        key="k",
        body=b'{"manifest":{"stringData":{"token":"t0p"}}}',
        type="apply_secret",
        message_id="m1",
        persistent=True,
    )
    publish(broker, [secret])

    shown = run("dead", "show", "m1") + run("dead", "show", "m1", "--json") + run("dead", "list")

    assert "may hold secrets" in "".join(shown)
    assert "t0p" not in "".join(shown)


def test_an_id_must_be_the_beginning_of_one_id(
    broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(broker, [letter(number, message_id=f"abc{number}") for number in range(2)])

    assert main(["dead", "show", "ab"]) == 1
    assert "2 dead letters have ids that begin with ab: abc0, abc1" in capsys.readouterr().err
    assert main(["dead", "show", "x"]) == 1
    assert "no dead letter has an id that begins with x" in capsys.readouterr().err


def test_the_list_is_filtered_and_nothing_is_cut_in_a_pipe(broker: str, run: Run) -> None:
    long = dead_letters.dead_letter(scale_event("hello", 1), "long " * 50 + "END", "q", "worker/t")
    publish(broker, [letter(1), long])

    _, *rows = run("dead", "list", "--reason", "LONG", "--operation", "update_controller_replicas")

    assert [row.endswith("long END") for row in rows] == [True]
    assert run("dead", "list", "--provider", "ecs") == []


def test_a_dropped_letter_is_printed_and_the_others_stay(broker: str, run: Run) -> None:
    publish(broker, [letter(number, message_id=f"m{number}") for number in range(3)])

    dropped = [json.loads(line) for line in run("dead", "drop", "m1", "--yes")]

    assert [(each["id"], each["body"]["replicas"]) for each in dropped] == [("m1", 1)]
    assert [row.split()[2] for row in run("dead", "list")[1:]] == ["m0", "m2"]


def test_letters_are_saved_to_a_new_file_only(
    broker: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(broker, [letter(number) for number in range(2)])
    file = tmp_path / "dropped.jsonl"

    assert run("dead", "drop", "--all", "--reason", "reason 1", "--yes", "--save", str(file)) == []
    assert main(["dead", "drop", "--all", "--yes", "--save", str(file)]) == 2

    assert "expected a new file" in capsys.readouterr().err
    assert [json.loads(line)["reason"] for line in file.read_text().splitlines()] == ["reason 1"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(run("dead", "list")) == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["drop"], "expected one or more IDs, or --all"),
        (["drop", "m1", "--all"], "expected one or more IDs, or --all"),
        (["drop", "m1", "--reason", "x"], "expected a filter with --all only"),
        (["retry", "--all", "--replicas", "3"], "expected one ID and one of"),
        (["retry", "m1", "m2", "--edit"], "expected one ID and one of"),
    ],
)
def test_a_wrong_selection_is_answered_with_the_usage(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead", *words]) == 2

    shown = capsys.readouterr().err
    assert expected in shown
    assert f"Usage: machinist dead {words[0]}" in shown


def test_nothing_is_dropped_without_a_terminal_or_yes(
    broker: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(broker, [letter()])

    assert main(["dead", "drop", "--all"]) == 2

    assert "add --yes" in capsys.readouterr().err
    assert len(run("dead", "list")) == 2


def test_operators_who_drop_at_once_drop_each_letter_once_and_lose_none(broker: str) -> None:
    publish(broker, [letter(number, message_id=f"m{number:02}") for number in range(20)])
    words = [sys.executable, "-m", "gateway.console", "dead", "drop", "--all", "--yes"]

    operators = [
        subprocess.Popen([*words, "--reason", f"reason {digit}"], stdout=-1, cwd=REPOSITORY)
        for digit in (1, 2)
    ]
    printed = [each.communicate(timeout=BOUND_S)[0].decode() for each in operators]

    dropped = [json.loads(line)["id"] for output in printed for line in output.splitlines()]
    assert len(dropped) == len(set(dropped))
    left = [each.message_id for each in dead_letters_of(broker, 20 - len(dropped))]
    assert sorted(left + dropped) == [f"m{number:02}" for number in range(20)]
