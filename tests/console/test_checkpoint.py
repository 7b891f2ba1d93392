"""The checkpoint file: replaced atomically, and locked while a process uses it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from gateway.console.checkpoint import Checkpoint
from gateway.console.failures import Failure
from tests.stack import REPOSITORY


class Position(Struct, frozen=True):
    """The state in these tests."""

    next: int
    text: str = ""


SAVE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from gateway.console.checkpoint import Checkpoint
from tests.console.test_checkpoint import Position
with Checkpoint(Path(sys.argv[1]), Position) as checkpoint:
    for number in count():
        checkpoint.save(Position(number, "x" * number))
        print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.checkpoint"


def test_a_saved_state_is_loaded_by_the_next_process(path):
    with Checkpoint(path, Position) as checkpoint:
        assert checkpoint.load() is None
        checkpoint.save(Position(1))
        checkpoint.save(Position(2))

    with Checkpoint(path, Position) as checkpoint:
        assert checkpoint.load() == Position(2)


def test_a_checkpoint_without_a_state_leaves_no_file(path):
    with Checkpoint(path, Position):
        pass

    assert list(path.parent.iterdir()) == []


def test_a_checkpoint_is_used_by_one_process_at_a_time_before_and_after_a_save(path):
    with Checkpoint(path, Position) as checkpoint:
        for number in range(2):
            with pytest.raises(Failure, match=r"export\.checkpoint: another process uses this"):
                Checkpoint(path, Position).__enter__()
            checkpoint.save(Position(number))


def test_another_file_is_not_taken_for_a_checkpoint(path):
    path.write_text('{"id": "x"}')

    with Checkpoint(path, Position) as checkpoint, pytest.raises(Failure, match="expected a check"):
        checkpoint.load()

    assert path.read_text() == '{"id": "x"}'


def test_a_killed_process_leaves_the_last_state_or_the_one_that_it_was_saving(path):
    for enough in (1, 20, 50):
        command = [sys.executable, "-c", SAVE_FOR_EVER, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as saving:
            assert saving.stdout is not None
            while int(saving.stdout.readline()) < enough:
                pass
            saving.kill()
            lines = saving.stdout.read().splitlines()
        assert saving.returncode == -signal.SIGKILL
        last = int(lines[-1]) if lines else enough

        with Checkpoint(path, Position) as checkpoint:
            state = checkpoint.load()

        assert state in (Position(last, "x" * last), Position(last + 1, "x" * (last + 1)))
