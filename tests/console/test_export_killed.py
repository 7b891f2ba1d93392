"""An export that is killed at any point and repeated has every record once, in the order."""

import os
import random
import time
from pathlib import Path

import pytest

from gateway.console.__main__ import main
from tests import forking
from tests.console.exports import SUFFIXES, offsets, read_so_far
from tests.planting import plant

RECORDS = 6_000
PART = 150
KILLS = 12


@pytest.fixture(scope="module")
def seed() -> int:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    return seed


def killed(to: Path, words: list[str], progress: int, folder: Path) -> bool:
    """Start an export and kill it when its output has grown; False if it ended before."""
    streams = [folder / "output", folder / "errors"]
    start = read_so_far(to)
    process = forking.start("gateway.console", *words, environment=os.environ, streams=streams)
    while process.is_alive() and read_so_far(to) < start + progress:
        time.sleep(0.0005)
    process.kill()
    process.join()
    assert process.exitcode in (0, -9), streams[1].read_text()
    return process.exitcode == -9


@pytest.mark.timeout(300)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_killed_at_any_point_and_repeated_has_every_record_once(
    broker, tmp_path, suffix, seed
):
    plant(broker, RECORDS)
    chance = random.Random(f"{seed} {suffix}")
    to = tmp_path / f"audit{suffix}"
    words = ["audit", "export", "--to", str(to), "--part", str(PART)]
    # The first commit, and amounts around a part: its end, its checkpoint, and its middle.
    most = 2 if suffix == ".parquet" else 80_000

    kills = sum(killed(to, words, chance.randint(1, most), tmp_path) for _ in range(KILLS))
    assert main(words) == 0

    assert offsets(to) == list(range(RECORDS))
    assert kills >= KILLS // 2
    assert main(words) == 0, "nothing is new"
    assert offsets(to) == list(range(RECORDS))
