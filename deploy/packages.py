"""Installs a package of the distribution, where this user may.

Standard library only: it also runs before there is a virtual environment.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.failed import Failed
from deploy.waiting import Say

INSTALL: dict[str, list[str]] = {
    # Debian's packages start the services that they bring: the script keeps them from it.
    "apt-get": ["sh", str(Path(__file__).with_name("install-on-debian.sh"))],
    "dnf": ["dnf", "install", "--assumeyes"],
    "zypper": ["zypper", "--non-interactive", "install"],
    "apk": ["apk", "add"],
    "pacman": ["pacman", "--sync", "--noconfirm"],
}


def install(packages: Mapping[str, str], say: Say) -> None:
    """Install a package, named for each package manager that has it."""
    tool = next((tool for tool in INSTALL if tool in packages and shutil.which(tool)), None)
    if tool is None:
        name = next(iter(packages.values()))
        raise Failed(
            f"{name} is not installed, and there is none of {', '.join(packages)} to do it"
        )
    words = ["apt-get", "install"] if tool == "apt-get" else INSTALL[tool]
    by_hand = f"`{'sudo ' if os.getuid() else ''}{' '.join(words)} {packages[tool]}`"
    rights = _rights()
    if rights is None:
        raise Failed(
            f"{packages[tool]} is not installed, and this user may not install it (neither root "
            f"nor sudo without a password): do it with {by_hand}"
        )
    say(f"installing {packages[tool]} with {tool}, which may take a minute")
    done = subprocess.run(
        [*rights, *INSTALL[tool], packages[tool]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-15:])
        raise Failed(f"{tool} could not install {packages[tool]}: try {by_hand} yourself\n{end}")


def _rights() -> list[str] | None:
    """Return the words to put before a command so that it runs as root, or None."""
    if os.getuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and not subprocess.run([*sudo, "true"], capture_output=True).returncode:
        return sudo
    return None
