"""A fresh root of Debian gets the checkout and the settings for the package index only."""

import os
from pathlib import Path

import pytest

from deploy import fresh
from tests.deploy.test_debian13 import TARGETS, program

RUNS = """
while [ "$1" != /machinist/deploy/test ]; do echo "$1" >>{folder}/before; shift; done
echo "$@" >{folder}/inside
cp {folder}/report {folder}/root-of/reports/junit-0.xml
exit {code}
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of fake programs, which is first on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    (tmp_path / "targets").write_text(TARGETS)
    (tmp_path / "report").write_text("<testsuites/>")
    program(tmp_path, "unshare", "exit 0")
    program(tmp_path, "apt-get", f"[ $1 = indextargets ] && cat {tmp_path}/targets")
    program(tmp_path, "apt-config", """echo 'Acquire::http::Proxy "http://proxy.example";'""")
    made = f'mkdir -p "$5/etc/apt/apt.conf.d" "$5/reports"; ln -s "$5" {tmp_path}/root-of'
    program(tmp_path, "mmdebstrap", f'echo "$2 $4" >{tmp_path}/arguments; {made}')
    return tmp_path


def fake_launcher(machine: Path, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
    """Replace the launcher by a script that records its arguments and exits with this status."""
    launcher = machine / "launcher"
    program(machine, "launcher", RUNS.format(folder=machine, code=code))
    monkeypatch.setattr(fresh, "LAUNCHER", launcher)


@pytest.mark.parametrize("code", [0, 1])
def test_deploy_test_runs_in_the_root_and_its_report_is_copied(
    machine, monkeypatch, code, tmp_path
):
    fake_launcher(machine, monkeypatch, code)
    junit = tmp_path / "junit.xml"

    assert fresh.run("trixie", ["--", "-k", "name"], junit, print) is (code == 0)

    assert (machine / "arguments").read_text() == "--include=python3,ca-certificates,curl trixie\n"
    command = (machine / "inside").read_text()
    assert command == "/machinist/deploy/test --reports /reports -- -k name\n"
    assert junit.read_text() == "<testsuites/>"
    assert not (machine / "root-of").exists(), "the root is removed"


def test_only_variables_and_files_for_the_package_index_reach_the_root(machine, monkeypatch):
    fake_launcher(machine, monkeypatch)
    certificates = machine / "certificates.pem"
    certificates.touch()
    monkeypatch.setenv("PIP_CERT", str(certificates))
    monkeypatch.setenv("PIP_FIND_LINKS", "/ /nowhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "kept")

    fresh.run("bookworm", [], machine / "junit.xml", print)

    before = (machine / "before").read_text().splitlines()
    assert str(certificates) in before[1].split(":")
    assert "/" not in before[1].split(":")
    assert f"PIP_CERT={certificates}" in before
    assert "HOME=/root" in before
    assert "kept" not in " ".join(before)
