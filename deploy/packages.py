"""Installs packages of the distribution, if this user has the right.

Standard library only, since this runs before the virtual environment exists.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.failed import Failed
from deploy.waiting import Say

INSTALL: dict[str, list[str]] = {
    # Debian's packages start their services, which the script prevents.
    "apt-get": ["sh", str(Path(__file__).with_name("install-on-debian.sh"))],
    "dnf": ["dnf", "install", "--assumeyes"],
    "zypper": ["zypper", "--non-interactive", "install"],
    "apk": ["apk", "add"],
    "pacman": ["pacman", "--sync", "--noconfirm"],
}


def install(packages: Mapping[str, str], say: Say) -> None:
    """Install a package. `packages` maps package managers to its names."""
    tool = next((tool for tool in INSTALL if tool in packages and shutil.which(tool)), None)
    if tool is None:
        name = next(iter(packages.values()))
        raise Failed(f"{name} is not installed, and this machine has none of {', '.join(packages)}")
    words = ["apt-get", "install"] if tool == "apt-get" else INSTALL[tool]
    manual = f"`{'sudo ' if os.getuid() else ''}{' '.join(words)} {packages[tool]}`"
    rights = _rights()
    if rights is None:
        raise Failed(
            f"{packages[tool]} is not installed, and this user may not install it (neither root "
            f"nor sudo without a password): install it with {manual}"
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
        raise Failed(f"{tool} could not install {packages[tool]}: try {manual} yourself\n{end}")


def _rights() -> list[str] | None:
    """Return the prefix that runs a command as root, or None without the right."""
    if os.getuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and not subprocess.run([*sudo, "true"], capture_output=True).returncode:
        return sudo
    return None
