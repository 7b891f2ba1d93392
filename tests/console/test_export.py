"""`machinist audit export` on a real broker: filters, checkpoints, and streams that changed."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from uuid import uuid4

import pytest

from contracts import outcomes, topology
from contracts.wire import Message
from gateway.console.__main__ import main
from gateway.console.audit.export.state import State
from gateway.console.checkpoint import Checkpoint
from tests.console.exports import (
    SUFFIXES,
    audit_again,
    first_offset,
    offsets,
    read_so_far,
    rows,
)
from tests.console.terminal import in_terminal, lines
from tests.planting import COMMANDS, plant
from tests.producer import publish
from tests.stack import REPOSITORY, eventually

EXPORT = ("audit", "export", "--to")
UNDECODABLE = Message(
    exchange=topology.OUTCOMES,
    key="done.k8s.controllers.default.hello",
    body=b"\xff?",
    type=outcomes.OUTCOME,
    message_id=uuid4().hex,
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, which has the exports."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_goes_on_where_the_last_one_ended(broker, suffix):
    to = Path(f"audit{suffix}")
    assert main([*EXPORT, str(to)]) == 0
    for number in (0, 3, 600, 601):
        plant(broker, number - len(offsets(to)) if read_so_far(to) else number)

        assert main([*EXPORT, str(to)]) == 0

        assert offsets(to) == list(range(number)) if number else True


def test_a_filter_selects_records_and_the_next_export_repeats_it(broker, capsys):
    words = [*EXPORT, "failed.jsonl", "--result", "failed", "--scope", "ns-*", "--since", "1h"]
    plant(broker, 2 * COMMANDS)
    assert main(words) == 0
    plant(broker, 2 * COMMANDS)
    assert main(words) == 0

    last = 2 * COMMANDS - 1
    assert offsets(Path("failed.jsonl")) == [last, last + 2 * COMMANDS]
    assert {row["result"] for row in rows(Path("failed.jsonl"))} == {"failed"}
    capsys.readouterr()
    assert main([*words, "--provider", "k8s"]) == 1
    assert "--provider was nothing and is k8s" in capsys.readouterr().err
    assert main([word.replace("1h", "2d") for word in words]) == 1
    assert "another export: --since was 20" in capsys.readouterr().err
    assert main([*words, "--format", "csv"]) == 1
    assert "--format was jsonl and is csv" in capsys.readouterr().err


def test_an_export_that_read_nothing_does_not_keep_its_options(broker):
    assert main([*EXPORT, "audit.jsonl", "--result", "failed"]) == 0
    plant(broker, 2)

    assert main([*EXPORT, "audit.jsonl"]) == 0

    assert offsets(Path("audit.jsonl")) == [0, 1]


def test_a_file_that_was_moved_away_is_begun_again_with_the_next_record(broker):
    plant(broker, 4)
    main([*EXPORT, "audit.csv"])
    Path("audit.csv").rename("monday.csv")
    plant(broker, 2)

    assert main([*EXPORT, "audit.csv"]) == 0

    assert offsets(Path("monday.csv")) + offsets(Path("audit.csv")) == list(range(6))


@pytest.mark.parametrize("content", ["", '{"offset":0}\n'])
def test_a_file_that_is_not_that_of_the_checkpoint_is_not_changed(broker, capsys, content):
    plant(broker, 4)
    to = Path("audit.jsonl")
    if content:
        to.write_text(content)
    else:
        main([*EXPORT, str(to)])
        os.truncate(to, 10)
    before = to.read_bytes()

    assert main([*EXPORT, str(to)]) == 1

    assert to.read_bytes() == before
    expected = "exists and has no checkpoint" if content else "has 10 bytes, at the checkpoint"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_record_that_cannot_be_decoded_is_exported_and_counted(broker, capsys, suffix):
    plant(broker, 2)
    publish(broker, [UNDECODABLE])
    to = Path(f"audit{suffix}")

    assert main([*EXPORT, str(to), "--result", "done"]) == 0

    assert offsets(to) == [1, 2]
    assert b64decode(rows(to)[1]["undecoded"]) == b"\xff?"
    assert "1 of them could not be decoded" in capsys.readouterr().err


def test_records_that_the_stream_removed_before_their_export_are_reported(broker, capsys):
    limits = {"x_max_length_bytes": 400_000, "x_stream_max_segment_size_bytes": 100_000}
    audit_again(broker, **limits)
    plant(broker, 2)
    assert main([*EXPORT, "audit.jsonl"]) == 0
    plant(broker, 2_000)
    eventually(lambda: first_offset(broker) > 1000, what="the limits removed records")
    capsys.readouterr()

    assert main([*EXPORT, "audit.jsonl"]) == 1

    found = offsets(Path("audit.jsonl"))
    assert found[:2] == [0, 1]
    assert found[2] > 1000
    # The broker uses an offset of its own at the start of each segment.
    assert len(found[2:]) >= found[-1] - found[2] - 20
    assert f"up to {found[2] - 2:,} records are missing" in capsys.readouterr().err
    assert main([*EXPORT, "audit.jsonl"]) == 0, "reported once"


@pytest.mark.parametrize("number", [0, 2, 4, 6])
def test_an_audit_that_was_declared_again_is_not_taken_for_the_same(broker, capsys, number):
    plant(broker, 4)
    main([*EXPORT, "audit.jsonl"])
    audit_again(broker)
    plant(broker, number)

    assert main([*EXPORT, "audit.jsonl"]) == 1

    assert "is not the stream of the last export" in capsys.readouterr().err
    assert offsets(Path("audit.jsonl")) == list(range(4))


def test_a_lost_connection_is_replaced_and_every_record_is_exported_once(broker, rabbit):
    plant(broker, 3_000)
    vhost = broker.rpartition("/")[2]
    command_line = [sys.executable, "-m", "gateway.console", "audit", "export"]
    with subprocess.Popen(
        command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        # The pipe is full long before the last record.
        lines = [export.stdout.readline()]
        rabbit.ctl("close_all_connections", "--vhost", vhost, "by the test")
        lines += export.stdout.readlines()
        errors = export.stderr.read()

    assert [json.loads(line)["offset"] for line in lines] == list(range(3_000))
    assert "by the test" in errors
    assert export.returncode == 0


def test_standard_output_repeats_nothing_with_a_checkpoint_and_everything_without(broker, capsys):
    words = ["audit", "export", "--checkpoint", "shipped"]
    found = []
    for command_line in (words, words, words[:2]):
        plant(broker, 2)
        assert main(command_line) == 0
        found.append([json.loads(line)["offset"] for line in capsys.readouterr().out.splitlines()])

    assert found == [[0, 1], [2, 3], [0, 1, 2, 3, 4, 5]]


def test_only_one_export_at_a_time_writes_a_file(broker, capsys):
    plant(broker, 2)

    with Checkpoint(Path("audit.jsonl.checkpoint"), State):
        assert main([*EXPORT, "audit.jsonl"]) == 1

    assert "another process uses this checkpoint" in capsys.readouterr().err
    assert not Path("audit.jsonl").exists()


def test_parquet_without_its_library_names_the_extra(broker, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "gateway.console.audit.export.parquet", raising=False)

    assert main([*EXPORT, "audit.parquet"]) == 1

    assert "pip install 'machinist[parquet]'" in capsys.readouterr().err


def test_a_terminal_shows_the_result_on_a_line_of_its_own_after_the_progress(broker, tmp_path):
    plant(broker, 600)

    status, output = in_terminal([*EXPORT, "audit.jsonl"], tmp_path, {})

    assert status == 0
    assert "records read: 600 of 600" in output
    assert lines(output) == ["600 of 600 records exported to audit.jsonl"]
