"""Finds RabbitMQ's programs in the folder of PLT_RABBITMQ_BIN, or in the distribution's package.

The package is installed if it is missing.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.failed import Failed
from deploy.packages import install
from deploy.waiting import Say

VARIABLE = "PLT_RABBITMQ_BIN"

# RabbitMQ's own scripts: the packages' wrappers on the PATH change the user and the folder.
FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/lib64/rabbitmq/bin", "/usr/local/opt/rabbitmq/sbin")
EPMD_FOLDERS = ("/usr/bin", "/usr/lib/erlang/bin", "/usr/lib64/erlang/bin")
RELEASES = ("/usr/lib/rabbitmq/lib", "/usr/lib64/rabbitmq/lib")

PACKAGES = {
    "apt-get": "rabbitmq-server",
    "dnf": "rabbitmq-server",
    "zypper": "rabbitmq-server",
    "apk": "rabbitmq-server",
    "pacman": "rabbitmq",
}


@dataclass(frozen=True)
class Installation:
    """The paths of RabbitMQ's programs."""

    server: Path
    ctl: Path
    epmd: Path

    def program(self, name: str) -> Path:
        """Return the path of another command line tool, such as rabbitmq-queues."""
        return self.ctl.with_name(name)


def installed() -> Installation | None:
    """Return the installation of the distribution's package, or None."""
    epmd = _epmd()
    for folder in _folders():
        server, ctl = folder / "rabbitmq-server", folder / "rabbitmqctl"
        if epmd and server.exists() and ctl.exists():
            return Installation(server, ctl, epmd)
    return None


def named(folder: str) -> Installation:
    """Return the installation in the folder of PLT_RABBITMQ_BIN.

    If the folder has no epmd, the machine's is used: all versions of Erlang share its protocol.
    """
    path = Path(folder).absolute()
    missing = [
        name
        for name in ("rabbitmq-server", "rabbitmqctl")
        if not os.access(path / name, os.X_OK) or not (path / name).is_file()
    ]
    if missing:
        reason = f"lacks {' and '.join(missing)}" if path.is_dir() else "is not a folder"
        raise Failed(
            f"{VARIABLE} is {folder!r}, which {reason}: expected a folder with the programs "
            "rabbitmq-server and rabbitmqctl, such as /usr/lib/rabbitmq/bin"
        )
    own = path / "epmd"
    epmd = own if own.exists() else _epmd()
    if epmd is None:
        raise Failed(
            f"{VARIABLE} is {folder!r}, which has no epmd, and this machine has none either: "
            "expected epmd in that folder, or Erlang installed"
        )
    return Installation(path / "rabbitmq-server", path / "rabbitmqctl", epmd)


def ensure(say: Say, environ: Mapping[str, str] = os.environ) -> Installation:
    """Return the installation of PLT_RABBITMQ_BIN, or the distribution's after installing it."""
    if folder := environ.get(VARIABLE):
        return named(folder)
    if found := installed():
        return found
    install(PACKAGES, say)
    if found := installed():
        return found
    raise Failed(
        "RabbitMQ's package was installed, but its programs are in none of "
        f"{', '.join(FOLDERS)}: set {VARIABLE} to their folder, or PLT_AMQP_URL to a running "
        "RabbitMQ"
    )


def _epmd() -> Path | None:
    found = shutil.which("epmd") or shutil.which("epmd", path=":".join(EPMD_FOLDERS))
    return Path(found) if found else None


def _folders() -> list[Path]:
    releases = [release for parent in RELEASES for release in Path(parent).glob("*/sbin")]
    return [Path(folder) for folder in FOLDERS] + sorted(releases, reverse=True)
