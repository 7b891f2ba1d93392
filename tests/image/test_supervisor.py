"""The supervisor of the all-in-one image: order, signals, ends and orphans, with tiny programs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.ports import Port
from deploy.process_tree import descendants
from tests.stack import REPOSITORY, eventually

# Prints its name when it starts and when it is told to stop.
TELLS = 'trap "echo {0} stops; exit 0" TERM; echo {0} starts; while :; do sleep 0.02; done'
STUBBORN = 'trap "" TERM; echo {0} starts; while :; do sleep 0.02; done'
# Answers one greeting, after a file exists.
SERVER = """
import pathlib, socket, sys, time
while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.02)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    print("server listens", flush=True)
    while True:
        with server.accept()[0] as peer:
            if peer.recv(5) == b"hello": peer.sendall(b"x")
"""


def shell(name: str, script: str = TELLS, **fields: Any) -> dict[str, Any]:
    """Return a program that is a shell script."""
    command = ["/bin/sh", "-c", script.format(name)]
    return {"name": name, "command": command, "stop_s": 60, **fields}


class Supervised:
    """A supervisor with its output."""

    def __init__(self, folder: Path, *programs: dict[str, Any]) -> None:
        self._log = folder / "log"
        file = folder / "programs.json"
        file.write_text(json.dumps(programs))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.image.harness", file],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def told(self) -> list[str]:
        """Return what programs said, in order."""
        words = (" starts", " stops", " listens")
        return [line for line in self.log.splitlines() if line.endswith(words)]

    def wait_for(self, line: str) -> None:
        eventually(lambda: line in self.log.splitlines(), what=f"{line} in\n{self.log}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        left = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for each in left:
            os.kill(each.pid, signal.SIGKILL)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Supervised]]:
    """Supervisors to kill at the end of a test that failed."""
    found: list[Supervised] = []
    yield found
    for each in found:
        if each.process.poll() is None:
            each.kill()


def test_programs_stop_in_the_reverse_order_of_their_start(
    tmp_path: Path, started: list[Supervised]
) -> None:
    supervised = Supervised(tmp_path, shell("broker"), shell("worker"), shell("gateway"))
    started.append(supervised)
    for name in ("broker", "worker", "gateway"):
        supervised.wait_for(f"{name} starts")

    assert supervised.stop() == 0
    assert supervised.told()[3:] == ["gateway stops", "worker stops", "broker stops"]
    assert not descendants(supervised.process.pid)


def test_a_program_starts_only_after_the_one_before_answers(
    tmp_path: Path, started: list[Supervised]
) -> None:
    port, permission = Port.any_free(), tmp_path / "permission"
    command = [sys.executable, "-c", SERVER, str(port.number), str(permission)]
    server = {"name": "server", "command": command, "stop_s": 60}
    ready = {"port": port.number, "greeting": "hello", "start_s": 60}
    supervised = Supervised(tmp_path, shell("first"), server | ready, shell("last"))
    started.append(supervised)
    supervised.wait_for("first starts")
    eventually(lambda: "server: started" in supervised.log)
    assert "last starts" not in supervised.told()
    permission.touch()
    supervised.wait_for("last starts")

    assert supervised.told() == ["first starts", "server listens", "last starts"]
    assert supervised.stop() == 0
    port.release()


def test_a_program_that_does_not_answer_in_time_does_not_hold_up_the_next(
    tmp_path: Path, started: list[Supervised]
) -> None:
    port = Port.any_free()
    silent = shell("silent", port=port.number, start_s=0.1)
    supervised = Supervised(tmp_path, silent, shell("next"))
    started.append(supervised)

    supervised.wait_for("next starts")
    assert "silent: not ready after 0.1 s, going on" in supervised.log
    assert supervised.stop() == 0
    port.release()


def test_a_stop_during_the_start_ends_the_programs_that_were_started(
    tmp_path: Path, started: list[Supervised]
) -> None:
    port = Port.any_free()
    supervised = Supervised(
        tmp_path, shell("silent", port=port.number, start_s=600), shell("never")
    )
    started.append(supervised)
    supervised.wait_for("silent starts")

    assert supervised.stop() == 0
    assert supervised.told() == ["silent starts", "silent stops"]
    port.release()


@pytest.mark.parametrize(
    ("end", "status"), [("exit 3", 3), ("exit 0", 1), ("kill -9 $$", 1)], ids=str
)
def test_the_end_of_one_program_stops_all_others_and_is_the_exit_status(
    tmp_path: Path, started: list[Supervised], end: str, status: int
) -> None:
    trigger = tmp_path / "trigger"
    ending = f"while ! [ -e {trigger} ]; do sleep 0.02; done; {end}"
    supervised = Supervised(tmp_path, shell("broker"), shell("worker", ending), shell("gateway"))
    started.append(supervised)
    supervised.wait_for("gateway starts")
    supervised.wait_for("broker starts")
    trigger.touch()

    assert supervised.process.wait(60) == status
    assert supervised.told()[2:] == ["gateway stops", "broker stops"]


def test_a_program_that_ignores_the_signal_is_killed_in_time_for_the_next(
    tmp_path: Path, started: list[Supervised]
) -> None:
    stubborn = shell("gateway", STUBBORN) | {"stop_s": 0.2}
    supervised = Supervised(tmp_path, shell("broker"), stubborn)
    started.append(supervised)
    supervised.wait_for("gateway starts")
    supervised.wait_for("broker starts")

    assert supervised.stop() == 0
    assert "gateway: did not end in time, killed" in supervised.log
    assert supervised.told()[-1] == "broker stops"


def test_a_missing_program_is_named_and_the_status_is_that_of_a_shell(
    tmp_path: Path, started: list[Supervised]
) -> None:
    missing = {"name": "ghost", "command": ["/nowhere/ghost"], "stop_s": 1}
    supervised = Supervised(tmp_path, shell("broker"), missing)
    started.append(supervised)

    assert supervised.process.wait(60) == 127
    assert "ghost: cannot run /nowhere/ghost: No such file or directory" in supervised.log


def test_orphans_do_not_stay_zombies(tmp_path: Path, started: list[Supervised]) -> None:
    # The inner shell ends at once, so that the supervisor inherits its child.
    orphan = "(sh -c 'echo $$ >{1}.part; mv {1}.part {1}; exec sleep 0.05' &) ; " + TELLS
    file = tmp_path / "orphan"
    supervised = Supervised(tmp_path, shell("broker", orphan.replace("{1}", str(file))))
    started.append(supervised)
    eventually(file.exists)
    pid = file.read_text().strip()

    eventually(lambda: not Path("/proc", pid).exists(), what=f"process {pid} is collected")
    assert supervised.stop() == 0


def test_the_output_of_a_quiet_program_is_discarded_but_not_its_errors(
    tmp_path: Path, started: list[Supervised]
) -> None:
    script = "echo banner; echo trouble >&2; while :; do sleep 0.02; done"
    supervised = Supervised(tmp_path, shell("broker", script, quiet=True))
    started.append(supervised)
    supervised.wait_for("trouble")

    supervised.stop()
    assert "banner" not in supervised.log
