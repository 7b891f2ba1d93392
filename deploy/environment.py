"""Creates the virtual environment from the pinned requirements, then runs a command in it.

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
    """A virtual environment, with the Python that creates it."""

    folder: Path
    base_python: str

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def record(self) -> Path:
        """The file with the digests of the installed requirements."""
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
    """Install the requirements unless the same ones are installed already."""
    with _exclusive():
        _prepare(requirements, environment)


def _prepare(requirements: str, environment: Environment) -> None:
    wanted = _digest(requirements)
    if _is_usable(environment) and _record(environment).get(requirements) == wanted:
        return
    began = time.monotonic()
    if not _is_usable(environment):
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
    if requirements == EVERYTHING:
        # The tests import a small part of it. Python compiles a module when it is first imported;
        # pip would compile every module, with 35 s of CPU.
        pip.append("--no-compile")
    # All dependencies are pinned. Without --no-deps an older pip looks for a newer release of a
    # requirement that is named with an extra, and refuses it because its hash is missing.
    pinned = ("--no-deps", "--require-hashes", "--requirement")
    _run([*pip, *pinned, CHECKOUT / "deploy" / requirements])
    # The tests' requirements contain those of deploy/up.
    names = {requirements} if requirements == RUNTIME else {RUNTIME, EVERYTHING}
    record = _record(environment) | {name: _digest(name) for name in names}
    environment.record.write_text(json.dumps(record))
    _say(f"the virtual environment is ready after {time.monotonic() - began:.0f} s")


def _make(environment: Environment) -> None:
    if not _can_make(environment.base_python):
        command = [
            environment.base_python,
            "-c",
            "import sys; print('%d.%d' % sys.version_info[:2])",
        ]
        version = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        install({"apt-get": f"python{version}-venv"}, _say)
    _run([environment.base_python, "-m", "venv", "--clear", environment.folder])


def _can_make(python: str) -> bool:
    """Return whether this Python has ensurepip, which Debian ships as a separate package."""
    probe = "import ensurepip, venv"
    return not subprocess.run([python, "-c", probe], capture_output=True).returncode


def _is_usable(environment: Environment) -> bool:
    """Return whether the environment exists, has pip, and its Python can be run."""
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
def _exclusive() -> Iterator[None]:
    """Lock out other commands that install at the same time."""
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
        raise Failed(f"`{words}` failed with:\n{end}")


def _say(message: str) -> None:
    print(f"  {message}", flush=True)


if __name__ == "__main__":
    main()
