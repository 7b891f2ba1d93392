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
from pathlib import Path

from deploy import options
from deploy.failed import Failed
from deploy.packages import install

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = CHECKOUT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
RECORD = ENVIRONMENT / "installed.json"

RUNTIME = "requirements.txt"
EVERYTHING = "requirements-test.txt"

COMMANDS = {
    "up": (options.up, RUNTIME, "deploy.launch"),
    "test": (options.test, EVERYTHING, "deploy.checks"),
}


def main() -> None:
    command, *arguments = sys.argv[1:]
    check_usage, requirements, module = COMMANDS[command]
    check_usage(arguments)
    try:
        with _alone():
            prepare(requirements)
    except Failed as failure:
        sys.exit(f"\ndeploy/{command} failed: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(CHECKOUT)
    os.execv(PYTHON, [str(PYTHON), "-m", module, *arguments])


def prepare(requirements: str) -> None:
    """Install the requirements, unless that was done already and they are still the same."""
    wanted = _digest(requirements)
    if _works() and _record().get(requirements) == wanted:
        return
    began = time.monotonic()
    if not _works():
        _say("making the virtual environment .venv")
        _make()
    _say(f"installing what deploy/{requirements} pins")
    pip: list[str | Path] = [
        PYTHON,
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
    RECORD.write_text(json.dumps(_record() | {name: _digest(name) for name in names}))
    _say(f"the virtual environment is ready after {time.monotonic() - began:.0f} s")


def _make() -> None:
    if not _can_make():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        install({"apt-get": f"python{version}-venv"}, _say)
    _run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT])


def _can_make() -> bool:
    """Debian ships Python without what puts pip into a virtual environment."""
    probe = "import ensurepip, venv"
    return not subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode


def _works() -> bool:
    """Tell whether the environment is there, whole, and of a Python that still exists."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    if not PYTHON.exists():
        return False
    return not subprocess.run([PYTHON, "-c", probe], capture_output=True).returncode


def _record() -> dict[str, str]:
    if not RECORD.exists():
        return {}
    record: dict[str, str] = json.loads(RECORD.read_text())
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
