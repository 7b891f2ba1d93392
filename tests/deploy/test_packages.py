"""A package that may not be installed is asked for in words that one can paste."""

import os
from pathlib import Path

import pytest

from deploy.failed import Failed
from deploy.packages import install


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_without_a_package_manager_it_says_what_is_missing(programs: Path) -> None:
    with pytest.raises(Failed, match="rabbitmq-server is not installed, and there is none of dnf"):
        install({"dnf": "rabbitmq-server"}, print)


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user would be asked for a password")
def test_the_first_package_manager_of_the_machine_is_used(programs: Path) -> None:
    """Under the name that the package has there."""
    program(programs, "pacman", f'echo "$@" > {programs}/asked')

    install({"dnf": "rabbitmq-server", "pacman": "rabbitmq"}, print)

    assert (programs / "asked").read_text() == "--sync --noconfirm rabbitmq\n"


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user would be asked for a password")
def test_a_failed_installation_shows_its_end_and_the_way_by_hand(programs: Path) -> None:
    program(programs, "dnf", "echo no such package; exit 1")

    with pytest.raises(Failed, match=r"(?s)dnf install --assumeyes rabbitmq-server.*no such"):
        install({"dnf": "rabbitmq-server"}, print)


def test_an_ordinary_user_without_sudo_learns_the_command(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "apt-get", "exit 9")
    monkeypatch.setattr(os, "getuid", lambda: 1000)

    with pytest.raises(Failed, match="do it with `sudo apt-get install rabbitmq-server`"):
        install({"apt-get": "rabbitmq-server"}, print)
