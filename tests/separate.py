"""Programs in virtual environments of their own: their requirements conflict with the tests'."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def program(name: str) -> Path:
    """Return the program of `.venv-NAME`, with deploy/requirements-NAME.txt installed under a lock.

    It is installed at the first call, and again after a change of the requirements.
    """
    environment = CHECKOUT / f".venv-{name}"
    requirements = CHECKOUT / "deploy" / f"requirements-{name}.txt"
    record = environment / "installed.json"
    with requirements.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = json.dumps(requirements.read_text())
        if not record.exists() or record.read_text() != wanted:
            _run(sys.executable, "-m", "venv", "--clear", environment)
            pip = (environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
            _run(*pip, "install", "--no-input", "--no-deps", "--require-hashes", "-r", requirements)
            record.write_text(wanted)
    return environment / "bin" / name


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
