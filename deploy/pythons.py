"""The supported Pythons of this machine, and an environment of each for the tests."""

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
PLACES = (".pyenv/versions", ".local/share/uv/python")
"""Where pyenv and uv keep Pythons, as seen from the home folder."""


def find(version: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the program of a Python such as 3.12; raises Failed where this machine has none."""
    tried = [*_candidates(version, environ)]
    for program in tried:
        if _version(program) == version:
            return program
    raise Failed(
        f"this machine has no Python {version}: expected python{version} on the PATH, or one that "
        "pyenv or uv installed"
    )


def prepared(version: str, program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the Python of an environment with the tests' requirements; make it where missing.

    `program` is a Python of this version. Raises Failed where they cannot be installed.
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
    folders = [home / place for place in PLACES]
    if root := environ.get("PYENV_ROOT"):
        folders.insert(0, Path(root, "versions"))
    for folder in folders:
        found = sorted(folder.glob(f"*{version}.*/bin/python3"), key=_release, reverse=True)
        yield from map(str, found)


def _release(program: Path) -> list[int]:
    """The numbers in the name of a Python's folder, by which the newest is found."""
    return [int(number) for number in re.findall(r"[0-9]+", program.parts[-3])]


def _version(program: str) -> str | None:
    """What a program says that it is; a name on the PATH may be a stand-in that runs nothing."""
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [program, "-c", probe],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None
