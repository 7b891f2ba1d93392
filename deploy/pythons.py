"""The supported Pythons of this machine, and a virtual environment for the tests of each."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy import environment
from deploy.environment import Environment
from deploy.failed import Failed

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
FOLDERS = (".pyenv/versions", ".local/share/uv/python")
"""The folders of pyenv and uv, relative to the home folder."""


def find(version: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the program of a Python such as 3.12. Raises Failed if this machine has none."""
    tried = [*_candidates(version, environ)]
    for program in tried:
        if _version(program) == version:
            return program
    raise Failed(
        f"this machine has no Python {version}: expected python{version} on the PATH, or one that "
        "pyenv or uv installed"
    )


def prepare(version: str, program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Create an environment with the tests' requirements if it is missing; return its Python.

    `program` is a Python of this version. Raises Failed if the requirements cannot be installed.
    """
    caches = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(caches).absolute() / "machinist" / f"python-{version}"
    own = Environment(folder, program)
    environment.prepare(environment.EVERYTHING, own)
    return own.python


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[str]:
    if program := shutil.which(f"python{version}", path=environ.get("PATH")):
        yield program
    home = Path(environ.get("HOME") or Path.home())
    folders = [home / folder for folder in FOLDERS]
    if root := environ.get("PYENV_ROOT"):
        folders.insert(0, Path(root, "versions"))
    for folder in folders:
        found = sorted(folder.glob(f"*{version}.*/bin/python3"), key=_release, reverse=True)
        yield from map(str, found)


def _release(program: Path) -> list[int]:
    """Return the release of a Python from the name of its folder, to sort by."""
    return [int(number) for number in re.findall(r"[0-9]+", program.parts[-3])]


def _version(program: str) -> str | None:
    """Return the version that a program reports, or None: a pyenv shim may run no Python."""
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [program, "-c", probe],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None
