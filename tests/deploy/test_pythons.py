"""Finding other Pythons of the machine by the version that they report."""

import sys
from pathlib import Path

import pytest

from deploy import pythons, suites
from deploy.failed import Failed
from deploy.options import test as asked_for

RUNNING = "{}.{}".format(*sys.version_info)


def python(file: Path, version: str) -> str:
    """Write a program that reports this version of Python."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n[ $1 = -c ] && echo {version}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of a machine without any Python."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


def test_a_python_on_the_path_is_found(tmp_path, environ):
    expected = python(tmp_path / "bin" / "python3.12", "3.12")

    assert pythons.find("3.12", environ) == expected


@pytest.mark.parametrize(
    "folder", [".pyenv/versions/3.13.{}", ".local/share/uv/python/cpython-3.13.{}-x86"]
)
def test_the_newest_release_of_pyenv_or_uv_is_found(tmp_path, environ, folder):
    for release in (2, 10, 9):
        python(tmp_path / folder.format(release) / "bin" / "python3", "3.13")

    assert pythons.find("3.13", environ) == str(tmp_path / folder.format(10) / "bin" / "python3")


def test_a_python_below_pyenv_root_is_found(tmp_path, environ):
    expected = python(tmp_path / "elsewhere" / "versions" / "3.12.1" / "bin" / "python3", "3.12")

    assert pythons.find("3.12", environ | {"PYENV_ROOT": str(tmp_path / "elsewhere")}) == expected


def test_a_broken_program_and_a_program_of_another_version_are_skipped(tmp_path, environ):
    python(tmp_path / "bin" / "python3.12", "3.11")
    broken = Path(python(tmp_path / ".pyenv" / "versions" / "3.12.9" / "bin" / "python3", ""))
    broken.write_text("#!/bin/sh\nexit 127\n")

    with pytest.raises(Failed, match=r"no Python 3\.12: expected python3\.12 on the PATH"):
        pythons.find("3.12", environ)


def on_a_python(rabbitmq: suites.Provide) -> suites.Suite:
    return suites.Suite(name="on another", selected_by=("full",), rabbitmq=rabbitmq, python="3.0")


def test_the_tests_on_a_missing_python_are_skipped_with_the_reason(tmp_path):
    with pytest.raises(Failed, match=r"no Python 3\.0"):
        on_a_python(lambda say: {}).run(asked_for(["--full"]), tmp_path / "junit.xml", print)


def test_a_python_without_its_requirements_is_a_failure(tmp_path, monkeypatch, capsys):
    python(tmp_path / "bin" / "python3.0", "3.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert not on_a_python(lambda say: {}).run(asked_for(["--full"]), tmp_path / "j", print)

    assert "failed" in capsys.readouterr().out


def test_full_selects_every_other_supported_python_and_both_releases_of_debian():
    chosen = suites.chosen(asked_for(["--full"]))
    versions = {suite.python for suite in chosen if isinstance(suite, suites.Suite)} - {""}
    releases = [suite.release for suite in chosen if isinstance(suite, suites.FreshDebian)]

    assert versions | {RUNNING} == set(pythons.SUPPORTED)
    assert RUNNING not in versions
    assert releases == ["bookworm", "trixie"]
