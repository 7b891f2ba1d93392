"""Other Pythons of a machine are found wherever people install them, and by what they say."""

import sys
from pathlib import Path

import pytest

from deploy import pythons, suites
from deploy.failed import Failed
from deploy.options import test as asked_for

RUNNING = "{}.{}".format(*sys.version_info)


def python(place: Path, version: str) -> str:
    """A program that answers as a Python of this version."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n[ $1 = -c ] && echo {version}\n")
    place.chmod(0o755)
    return str(place)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of a machine without any Python."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


def test_a_python_on_the_path_is_found(tmp_path, environ):
    wanted = python(tmp_path / "bin" / "python3.12", "3.12")

    assert pythons.find("3.12", environ) == wanted


@pytest.mark.parametrize(
    "place", [".pyenv/versions/3.13.{}", ".local/share/uv/python/cpython-3.13.{}-x86"]
)
def test_the_newest_that_pyenv_or_uv_installed_is_found(tmp_path, environ, place):
    for release in (2, 10, 9):
        python(tmp_path / place.format(release) / "bin" / "python3", "3.13")

    assert pythons.find("3.13", environ) == str(tmp_path / place.format(10) / "bin" / "python3")


def test_pyenv_is_looked_for_where_it_says_that_it_is(tmp_path, environ):
    wanted = python(tmp_path / "elsewhere" / "versions" / "3.12.1" / "bin" / "python3", "3.12")

    assert pythons.find("3.12", environ | {"PYENV_ROOT": str(tmp_path / "elsewhere")}) == wanted


def test_a_name_that_runs_nothing_or_another_version_is_no_python(tmp_path, environ):
    python(tmp_path / "bin" / "python3.12", "3.11")
    broken = Path(python(tmp_path / ".pyenv" / "versions" / "3.12.9" / "bin" / "python3", ""))
    broken.write_text("#!/bin/sh\nexit 127\n")

    with pytest.raises(Failed, match=r"no Python 3\.12: expected python3\.12 on the PATH"):
        pythons.find("3.12", environ)


def on_a_python(rabbitmq: suites.Provide) -> suites.Suite:
    return suites.Suite(name="on another", asked_by=("full",), rabbitmq=rabbitmq, python="3.0")


def test_without_the_python_its_tests_are_not_run_and_that_is_said(tmp_path):
    with pytest.raises(Failed, match=r"no Python 3\.0"):
        on_a_python(lambda say: {}).passes(asked_for(["--full"]), tmp_path / "junit.xml", print)


def test_a_python_for_which_nothing_can_be_installed_is_a_failure(tmp_path, monkeypatch, capsys):
    python(tmp_path / "bin" / "python3.0", "3.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert not on_a_python(lambda say: {}).passes(asked_for(["--full"]), tmp_path / "j", print)

    assert "failed" in capsys.readouterr().out


def test_every_other_supported_python_and_both_releases_of_debian_are_asked_for_by_full():
    chosen = suites.chosen(asked_for(["--full"]))
    versions = {suite.python for suite in chosen if isinstance(suite, suites.Suite)} - {""}
    releases = [suite.release for suite in chosen if isinstance(suite, suites.FreshDebian)]

    assert versions | {RUNNING} == set(pythons.SUPPORTED)
    assert RUNNING not in versions
    assert releases == ["bookworm", "trixie"]
