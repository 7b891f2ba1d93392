"""The root with RabbitMQ of Debian 13: made once, from the mirror of the machine's apt."""

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
MAKE_ROOT = 'echo "$@" >>{folder}/arguments; mkdir -p "$5/usr/bin"'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of fake programs, which is first on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    (tmp_path / "targets").write_text(TARGETS)
    program(tmp_path, "unshare", "exit 0")
    program(tmp_path, "apt-get", f"[ $1 = indextargets ] && cat {tmp_path}/targets")
    program(tmp_path, "apt-config", """echo 'Acquire::http::Proxy "http://proxy.example";'""")
    program(tmp_path, "mmdebstrap", MAKE_ROOT.format(folder=tmp_path))
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def content(cache: Path) -> set[str]:
    return {path.name for path in (cache / "machinist" / "debian-trixie").iterdir()}


def test_the_root_comes_from_the_machines_mirror_through_its_proxy(machine: Path) -> None:
    program(
        machine,
        "mmdebstrap",
        f'cat "${{3#--aptopt=}}" >{machine}/options; echo "$6" >{machine}/line; mkdir "$5"',
    )

    debian13.programs(print)

    assert (machine / "line").read_text() == "deb http://mirror.example/debian/ trixie main\n"
    assert "Acquire::http::Proxy" in (machine / "options").read_text()


def test_an_apt_without_a_debian_mirror_is_reported(machine: Path) -> None:
    (machine / "targets").write_text(TARGETS.replace("Debian", "Ubuntu"))
    program(machine, "apt-get", f"cat {machine}/targets")

    with pytest.raises(Failed, match="apt on this machine has no mirror of Debian"):
        debian13.programs(print)


def test_the_root_is_made_once_also_for_two_callers_at_the_same_time(machine: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = set(pool.map(lambda _: debian13.programs(print), range(2)))
    folders.add(debian13.programs(print))

    [folder] = folders
    assert len((machine / "arguments").read_text().splitlines()) == 1
    assert {"rabbitmq-server", "rabbitmqctl", "epmd"} < {path.name for path in folder.iterdir()}
    assert content(machine / "cache") == {"root", "bin", "lock", "mmdebstrap.log"}


def test_an_old_launcher_is_replaced_by_the_current_one(machine: Path) -> None:
    folder = debian13.programs(print)
    launcher = folder / debian13.LAUNCHER.name
    launcher.write_text("old")

    debian13.programs(print)

    assert launcher.read_bytes() == debian13.LAUNCHER.read_bytes()
    assert os.access(folder / "rabbitmqctl", os.X_OK)


def test_a_failed_root_is_reported_with_the_reason_and_tried_again(machine: Path) -> None:
    program(machine, "mmdebstrap", 'mkdir "$5"; echo E: no such suite; exit 1')

    with pytest.raises(
        Failed, match=r"(?s)mmdebstrap made no root of Debian trixie.*no such suite"
    ):
        debian13.programs(print)

    assert "root" not in content(machine / "cache")
    program(machine, "mmdebstrap", MAKE_ROOT.format(folder=machine))
    debian13.programs(print)
    assert content(machine / "cache") == {"root", "bin", "lock", "mmdebstrap.log"}


def test_missing_rights_to_mount_and_an_ordinary_user_are_reported(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(machine, "unshare", "echo Operation not permitted >&2; exit 1")
    with pytest.raises(Failed, match=r"may not mount .*: Operation not permitted"):
        debian13.programs(print)

    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(Failed, match="by the user root only"):
        debian13.programs(print)


def test_a_failure_on_the_command_line_has_no_traceback(machine: Path) -> None:
    program(machine, "unshare", "echo Operation not permitted >&2; exit 1")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.rabbitmq.debian13"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr or "by the user root only" in done.stderr
    assert "Traceback" not in done.stderr
