"""schemathesis, installed in its own environment: sends requests, and checks the responses."""

import json
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import separate

FOLDER = Path(__file__).parent
FAILURES, SUMMARY = "= FAILURES =", "= SUMMARY ="
"""Headings of the program's output."""


@dataclass(frozen=True)
class Report:
    """The failures as text, and the number of responses by operation and status."""

    failures: str
    statuses: dict[str, Counter[int]]

    @property
    def requests(self) -> int:
        return sum(each.total() for each in self.statuses.values())

    def with_status(self, status: int) -> set[str]:
        """Return the operations that answered with a status at least once."""
        return {name for name, counts in self.statuses.items() if counts[status]}


def run(
    url: str, options: Sequence[str], phases: str, machines: Mapping[str, str], folder: Path
) -> Report:
    """Compare the responses of a gateway with the document that it serves.

    `machines` has an id for each platform. `folder` is for the program's files.
    """
    events = folder / "events.ndjson"
    command: list[str | Path] = [separate.program("schemathesis")]
    command += ["--config-file", FOLDER / "schemathesis.toml"]
    command += ["run", f"{url}/documentation/json", "--phases", phases, *options]
    command += ["--report-ndjson-path", events]
    environment = {f"{platform.upper()}_MACHINE": each for platform, each in machines.items()}
    environment |= {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(FOLDER)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    _, _, failures = done.stdout.partition(FAILURES)
    assert bool(failures) == bool(done.returncode), done.stdout + done.stderr
    return Report(failures.partition(SUMMARY)[0], _statuses(events))


def _statuses(events: Path) -> dict[str, Counter[int]]:
    found: dict[str, Counter[int]] = defaultdict(Counter)
    with events.open() as lines:
        for event in map(json.loads, lines):
            recorded = event.get("ScenarioFinished", {}).get("recorder", {})
            for exchange in recorded.get("interactions", {}).values():
                found[recorded["label"]][exchange["response"]["status_code"]] += 1
    return found
