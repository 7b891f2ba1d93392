"""Installing a package, or naming the command to install it."""

import os
from pathlib import Path

import pytest

from deploy.failed import Failed
from deploy.packages import install


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with the test's programs only."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_a_missing_package_manager_is_named_with_the_package(programs: Path) -> None:
    with pytest.raises(Failed, match=r"rabbitmq-server is not installed, and .* none of dnf"):
        install({"dnf": "rabbitmq-server"}, print)


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user would be asked for a password")
def test_the_machines_package_manager_gets_its_name_of_the_package(programs: Path) -> None:
    program(programs, "pacman", f'echo "$@" > {programs}/arguments')

    install({"dnf": "rabbitmq-server", "pacman": "rabbitmq"}, print)

    assert (programs / "arguments").read_text() == "--sync --noconfirm rabbitmq\n"


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user would be asked for a password")
def test_a_failed_installation_shows_its_output_and_the_command(programs: Path) -> None:
    program(programs, "dnf", "echo no such package; exit 1")

    with pytest.raises(Failed, match=r"(?s)dnf install --assumeyes rabbitmq-server.*no such"):
        install({"dnf": "rabbitmq-server"}, print)


def test_an_ordinary_user_without_sudo_is_told_the_command(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "apt-get", "exit 9")
    monkeypatch.setattr(os, "getuid", lambda: 1000)

    with pytest.raises(Failed, match="install it with `sudo apt-get install rabbitmq-server`"):
        install({"apt-get": "rabbitmq-server"}, print)
