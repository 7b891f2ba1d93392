"""RabbitMQ of Debian 13 on another machine: made once, from the mirror that the machine uses."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.failed import Failed
from deploy.rabbitmq import debian13

TARGETS = """\
Docker main bookworm https://docker.example/debian/
Debian main bookworm-updates http://updates.example/debian/
Debian non-free bookworm http://non-free.example/debian/
Debian main bookworm http://mirror.example/debian/
"""
MAKES_A_ROOT = 'echo "$@" >>{folder}/asked; mkdir -p "$5/usr/bin"'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a test puts programs that stand before this machine's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    (tmp_path / "targets").write_text(TARGETS)
    program(tmp_path, "unshare", "exit 0")
    program(tmp_path, "apt-get", f"[ $1 = indextargets ] && cat {tmp_path}/targets")
    program(tmp_path, "apt-config", """echo 'Acquire::http::Proxy "http://proxy.example";'""")
    program(tmp_path, "mmdebstrap", MAKES_A_ROOT.format(folder=tmp_path))
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def left_in(cache: Path) -> set[str]:
    return {path.name for path in (cache / "machinist" / "debian-trixie").iterdir()}


def test_the_root_comes_from_the_machines_own_mirror_by_the_machines_proxy(machine: Path) -> None:
    program(
        machine,
        "mmdebstrap",
        f'cat "${{3#--aptopt=}}" >{machine}/options; echo "$6" >{machine}/line; mkdir "$5"',
    )

    debian13.programs(print)

    assert (machine / "line").read_text() == "deb http://mirror.example/debian/ trixie main\n"
    assert "Acquire::http::Proxy" in (machine / "options").read_text()


def test_a_machine_whose_apt_knows_no_debian_is_told_so(machine: Path) -> None:
    (machine / "targets").write_text(TARGETS.replace("Debian", "Ubuntu"))
    program(machine, "apt-get", f"cat {machine}/targets")

    with pytest.raises(Failed, match="apt on this machine knows no mirror of Debian"):
        debian13.programs(print)


def test_it_is_made_once_and_by_one_of_two_that_ask_at_the_same_time(machine: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = set(pool.map(lambda _: debian13.programs(print), range(2)))
    folders.add(debian13.programs(print))

    [folder] = folders
    assert len((machine / "asked").read_text().splitlines()) == 1
    assert {"rabbitmq-server", "rabbitmqctl", "epmd"} < {path.name for path in folder.iterdir()}
    assert left_in(machine / "cache") == {"root", "bin", "lock", "mmdebstrap.log"}


def test_programs_of_an_older_checkout_get_the_newest_launcher(machine: Path) -> None:
    folder = debian13.programs(print)
    launcher = folder / debian13.LAUNCHER.name
    launcher.write_text("old")

    debian13.programs(print)

    assert launcher.read_bytes() == debian13.LAUNCHER.read_bytes()
    assert os.access(folder / "rabbitmqctl", os.X_OK)


def test_a_root_that_could_not_be_made_says_why_and_is_tried_again(machine: Path) -> None:
    program(machine, "mmdebstrap", 'mkdir "$5"; echo E: no such suite; exit 1')

    with pytest.raises(
        Failed, match=r"(?s)mmdebstrap made no root of Debian trixie.*no such suite"
    ):
        debian13.programs(print)

    assert "root" not in left_in(machine / "cache")
    program(machine, "mmdebstrap", MAKES_A_ROOT.format(folder=machine))
    debian13.programs(print)
    assert left_in(machine / "cache") == {"root", "bin", "lock", "mmdebstrap.log"}


def test_an_ordinary_user_and_a_machine_without_mounts_are_told_so(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(machine, "unshare", "echo Operation not permitted >&2; exit 1")
    with pytest.raises(Failed, match=r"may not mount .*: Operation not permitted"):
        debian13.programs(print)

    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(Failed, match="takes root"):
        debian13.programs(print)


def test_on_the_command_line_a_failure_is_one_sentence(machine: Path) -> None:
    program(machine, "unshare", "echo Operation not permitted >&2; exit 1")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.rabbitmq.debian13"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr or "takes root" in done.stderr
    assert "Traceback" not in done.stderr
