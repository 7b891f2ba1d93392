"""A fresh Debian gets the checkout and the ways to the package index, and nothing else."""

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
    """A folder in which a test puts programs that stand before this machine's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    (tmp_path / "targets").write_text(TARGETS)
    (tmp_path / "report").write_text("<testsuites/>")
    program(tmp_path, "unshare", "exit 0")
    program(tmp_path, "apt-get", f"[ $1 = indextargets ] && cat {tmp_path}/targets")
    program(tmp_path, "apt-config", """echo 'Acquire::http::Proxy "http://proxy.example";'""")
    made = f'mkdir -p "$5/etc/apt/apt.conf.d" "$5/reports"; ln -s "$5" {tmp_path}/root-of'
    program(tmp_path, "mmdebstrap", f'echo "$2 $4" >{tmp_path}/asked; {made}')
    return tmp_path


def inside(machine: Path, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
    """Have the command in the root end with this status."""
    launcher = machine / "launcher"
    program(machine, "launcher", RUNS.format(folder=machine, code=code))
    monkeypatch.setattr(fresh, "LAUNCHER", launcher)


@pytest.mark.parametrize("code", [0, 1])
def test_the_second_command_runs_there_and_its_report_is_kept(machine, monkeypatch, code, tmp_path):
    inside(machine, monkeypatch, code)
    junit = tmp_path / "junit.xml"

    assert fresh.passes("trixie", ["--", "-k", "name"], junit, print) is (code == 0)

    assert (machine / "asked").read_text() == "--include=python3,ca-certificates,curl trixie\n"
    told = (machine / "inside").read_text()
    assert told == "/machinist/deploy/test --reports /reports -- -k name\n"
    assert junit.read_text() == "<testsuites/>"
    assert not (machine / "root-of").exists(), "the root is removed"


def test_only_what_leads_to_the_package_index_is_passed_on(machine, monkeypatch):
    inside(machine, monkeypatch)
    certificates = machine / "certificates.pem"
    certificates.touch()
    monkeypatch.setenv("PIP_CERT", str(certificates))
    monkeypatch.setenv("PIP_FIND_LINKS", "/ /nowhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "kept")

    fresh.passes("bookworm", [], machine / "junit.xml", print)

    before = (machine / "before").read_text().splitlines()
    assert str(certificates) in before[1].split(":")
    assert "/" not in before[1].split(":")
    assert f"PIP_CERT={certificates}" in before
    assert "HOME=/root" in before
    assert "kept" not in " ".join(before)
