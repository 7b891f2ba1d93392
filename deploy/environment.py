"""Makes the virtual environment from the pinned requirements, then runs a command in it.

Standard library only. `python -m deploy.environment up|test [argument …]`
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.printable import BREAKS, printable
from deploy import options
from deploy.failed import Failed
from deploy.packages import install

CHECKOUT = Path(__file__).resolve().parent.parent

RUNTIME = "requirements.txt"
EVERYTHING = "requirements-test.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its folder, and the Python that makes it."""

    folder: Path
    maker: str

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def record(self) -> Path:
        """The file that says what is installed."""
        return self.folder / "installed.json"


OWN = Environment(CHECKOUT / ".venv", sys.executable)

COMMANDS = {
    "up": (options.up, RUNTIME, "deploy.launch"),
    "test": (options.test, EVERYTHING, "deploy.checks"),
}


def main() -> None:
    command, *arguments = sys.argv[1:]
    check_usage, requirements, module = COMMANDS[command]
    check_usage(arguments)
    try:
        prepare(requirements)
    except Failed as failure:
        sys.exit(f"\ndeploy/{command} failed: {printable(str(failure), BREAKS)}")
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(CHECKOUT)
    os.execv(OWN.python, [str(OWN.python), "-m", module, *arguments])


def prepare(requirements: str, environment: Environment = OWN) -> None:
    """Install the requirements, unless that was done already and they are still the same."""
    with _alone():
        _prepare(requirements, environment)


def _prepare(requirements: str, environment: Environment) -> None:
    wanted = _digest(requirements)
    if _works(environment) and _record(environment).get(requirements) == wanted:
        return
    began = time.monotonic()
    if not _works(environment):
        _say(f"making the virtual environment {environment.folder.name}")
        _make(environment)
    _say(f"installing what deploy/{requirements} pins")
    pip: list[str | Path] = [
        environment.python,
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
    ]
    # All that is needed is pinned. Left to look for itself, an older pip finds a newer release of
    # what a requirement names with an extra, and refuses that for want of its hash.
    pinned = ("--no-deps", "--require-hashes", "--requirement")
    _run([*pip, *pinned, CHECKOUT / "deploy" / requirements])
    # The tests' requirements contain those of deploy/up.
    names = {requirements} if requirements == RUNTIME else {RUNTIME, EVERYTHING}
    record = _record(environment) | {name: _digest(name) for name in names}
    environment.record.write_text(json.dumps(record))
    _say(f"the virtual environment is ready after {time.monotonic() - began:.0f} s")


def _make(environment: Environment) -> None:
    if not _can_make(environment.maker):
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        named = subprocess.run([environment.maker, "-c", version], capture_output=True, text=True)
        install({"apt-get": f"python{named.stdout.strip()}-venv"}, _say)
    _run([environment.maker, "-m", "venv", "--clear", environment.folder])


def _can_make(python: str) -> bool:
    """Debian ships Python without what puts pip into a virtual environment."""
    probe = "import ensurepip, venv"
    return not subprocess.run([python, "-c", probe], capture_output=True).returncode


def _works(environment: Environment) -> bool:
    """Tell whether the environment is there, whole, and of a Python that still exists."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    if not environment.python.exists():
        return False
    return not subprocess.run([environment.python, "-c", probe], capture_output=True).returncode


def _record(environment: Environment) -> dict[str, str]:
    if not environment.record.exists():
        return {}
    record: dict[str, str] = json.loads(environment.record.read_text())
    return record


def _digest(requirements: str) -> str:
    return hashlib.sha256((CHECKOUT / "deploy" / requirements).read_bytes()).hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """Let no second command install into the same environment at the same time."""
    with (CHECKOUT / "deploy" / EVERYTHING).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = " ".join(str(word) for word in command)
        end = "\n".join(done.stdout.splitlines()[-15:])
        raise Failed(f"`{words}` failed, the end of what it printed:\n{end}")


def _say(message: str) -> None:
    print(f"  {message}", flush=True)


if __name__ == "__main__":
    main()
