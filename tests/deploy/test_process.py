"""Child processes end with the process that started them, even after SIGKILL."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.failed import Failed
from deploy.process import ChildProcess
from deploy.process_tree import descendants
from deploy.waiting import wait_until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)",
]
# Starts a grandchild in a separate session, as Erlang does.
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
from deploy.process import ChildProcess
program = [sys.executable, "-c", "import time; time.sleep(600)"]
child = ChildProcess("sleep", program, log=Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def is_up(child: ChildProcess) -> bool:
    return "up" in child.last_lines()


def test_a_child_is_terminated_at_the_end_of_its_context(tmp_path: Path) -> None:
    with ChildProcess("sleep", SLEEP, log=tmp_path / "log") as child:
        wait_until(lambda: is_up(child), 60, "the child is up")

    assert not child.alive
    assert child.exit_code == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = ChildProcess("stubborn", STUBBORN, log=tmp_path / "log")
    child.start()
    wait_until(lambda: is_up(child), 60, "the child is up")

    child.stop(grace=0.2)

    assert child.exit_code == -signal.SIGKILL


def test_the_descendants_of_a_killed_child_end_with_it(tmp_path: Path) -> None:
    child = ChildProcess("parent", PARENT, log=tmp_path / "log")
    child.start()
    wait_until(lambda: is_up(child), 60, "the child is up")
    processes = descendants(child.pid)

    child.kill()

    assert processes
    assert not processes & descendants(1)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's PR_SET_PDEATHSIG")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """`kill -9` of `deploy/up` thus leaves no broker running."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log")], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    with starter.stdout as output:
        pid = int(output.readline())
    [child] = [process for process in descendants(starter.pid) if process.pid == pid]

    starter.kill()
    starter.wait()

    wait_until(lambda: child not in descendants(1), 60, "the child ends with its parent")


def test_a_missing_program_is_named_in_the_log(tmp_path: Path) -> None:
    with ChildProcess("ghost", ["/nowhere/ghost"], log=tmp_path / "log") as child:
        wait_until(lambda: not child.alive, 60, "the child has ended")

    assert child.exit_code == 1
    assert "/nowhere/ghost: No such file" in child.last_lines()


def test_a_timeout_names_the_expected_condition() -> None:
    with pytest.raises(Failed, match=r"timeout after 0\.1 s, expected: pigs fly"):
        wait_until(lambda: False, 0.1, "pigs fly")


def test_a_stopped_child_can_be_started_again(tmp_path: Path) -> None:
    child = ChildProcess("sleep", SLEEP, log=tmp_path / "log")
    child.start()
    first = child.pid
    child.kill()
    child.start()
    second = child.pid
    child.kill()

    assert first != second
