"""The cost of reading a long audit: memory does not grow, and a list reads its end only."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.console.__main__ import main
from tests.console.exports import offsets
from tests.planting import COMMANDS, plant
from tests.stack import REPOSITORY

FEW = 11_000
MANY = 100_000
GROWTH = 32 * 2**20
"""Bytes by which the peak of resident memory of two runs may differ."""


def exported(to: Path, *words: str) -> tuple[int, float]:
    """Export in a process of its own; return its peak of memory in bytes, and its CPU seconds."""
    command = [sys.executable, "-m", "gateway.console", "audit", "export", "--to", str(to), *words]
    peak = 0
    before = os.times()
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(line.split()[1]) * 1024 for line in lines)])
            time.sleep(0.05)
    after = os.times()
    assert process.returncode == 0
    used = after.children_user + after.children_system
    return peak, used - before.children_user - before.children_system


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_export_of_many_records_uses_the_memory_of_one_of_few(broker, tmp_path, suffix):
    plant(broker, FEW)
    few, _ = exported(tmp_path / f"few{suffix}")
    plant(broker, MANY - FEW)

    many, seconds = exported(tmp_path / f"many{suffix}")

    print(f"{seconds / MANY * 1e6:.0f} µs of CPU a record, {few >> 20} and {many >> 20} MB")
    assert len(offsets(tmp_path / f"many{suffix}")) == MANY
    assert many - few < GROWTH


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_list_reads_the_end_of_a_long_audit_and_a_rare_match_all_of_it(
    broker: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plant(broker, MANY)

    assert main(["audit", "list", "--since", "1h"]) == 0
    assert capsys.readouterr().err.startswith("50 commands; 200 of ")

    peak, seconds = exported(tmp_path / "failed.csv", "--result", "failed")
    print(f"{seconds / MANY * 1e6:.0f} µs of CPU a record, {peak >> 20} MB")
    assert len(offsets(tmp_path / "failed.csv")) == MANY // (2 * COMMANDS)
