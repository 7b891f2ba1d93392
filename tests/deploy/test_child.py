"""A child never outlives the process that started it, however that one ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.child import Child
from deploy.failed import Failed
from deploy.family import descendants
from deploy.waiting import wait_until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)",
]
# Starts a child of its own in a session of its own, as Erlang does.
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
    "start_new_session=True); print('up', flush=True); time.sleep(600)",
]
STARTER = """
import sys, time
from pathlib import Path
from deploy.child import Child
program = [sys.executable, "-c", "import time; time.sleep(600)"]
child = Child("sleep", program, log=Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def is_up(child: Child) -> bool:
    return "up" in child.last_lines()


def test_its_end_is_ours_to_choose(tmp_path: Path) -> None:
    """Leaving the context ends the child, and its exit code says how."""
    with Child("sleep", SLEEP, log=tmp_path / "log") as child:
        wait_until(lambda: is_up(child), 60, "the child is up")

    assert not child.alive
    assert child.exit_code == -signal.SIGTERM


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = Child("stubborn", STUBBORN, log=tmp_path / "log")
    child.start()
    wait_until(lambda: is_up(child), 60, "the child is up")

    child.stop(grace=0.2)

    assert child.exit_code == -signal.SIGKILL


def test_its_own_children_go_with_it(tmp_path: Path) -> None:
    child = Child("parent", PARENT, log=tmp_path / "log")
    child.start()
    wait_until(lambda: is_up(child), 60, "the child is up")
    family = descendants(child.pid)

    child.kill()

    assert family
    assert not family & descendants(1)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's PR_SET_PDEATHSIG")
def test_it_dies_when_its_starter_is_killed(tmp_path: Path) -> None:
    """Not even kill -9 of `deploy/up` leaves a broker behind."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log")], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    with starter.stdout as output:
        pid = int(output.readline())
    [child] = [process for process in descendants(starter.pid) if process.pid == pid]

    starter.kill()
    starter.wait()

    wait_until(lambda: child not in descendants(1), 60, "the child follows its starter")


def test_a_program_that_is_not_there_is_named_in_the_log(tmp_path: Path) -> None:
    with Child("ghost", ["/nowhere/ghost"], log=tmp_path / "log") as child:
        wait_until(lambda: not child.alive, 60, "the child has ended")

    assert child.exit_code == 1
    assert "/nowhere/ghost: No such file" in child.last_lines()


def test_waiting_names_what_was_expected() -> None:
    with pytest.raises(Failed, match=r"pigs fly: not so after 0\.1 s"):
        wait_until(lambda: False, 0.1, "pigs fly")


def test_a_stopped_child_can_be_started_again(tmp_path: Path) -> None:
    child = Child("sleep", SLEEP, log=tmp_path / "log")
    child.start()
    first = child.pid
    child.kill()
    child.start()
    second = child.pid
    child.kill()

    assert first != second
