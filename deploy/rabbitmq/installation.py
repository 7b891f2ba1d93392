"""Finds the programs of the distribution's RabbitMQ package, or installs it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.failed import Failed
from deploy.packages import install
from deploy.waiting import Say

# The scripts themselves: what packages put on the PATH changes the user and the folder first.
FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/lib64/rabbitmq/bin", "/usr/local/opt/rabbitmq/sbin")
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
    """Where the programs lie."""

    server: Path
    ctl: Path
    epmd: Path


def installed() -> Installation | None:
    """Return the installation of this machine, unless there is none."""
    epmd = shutil.which("epmd", path="/usr/bin:/usr/lib/erlang/bin:/usr/lib64/erlang/bin")
    epmd = shutil.which("epmd") or epmd
    for folder in _folders():
        server, ctl = folder / "rabbitmq-server", folder / "rabbitmqctl"
        if epmd and server.exists() and ctl.exists():
            return Installation(server, ctl, Path(epmd))
    return None


def ensure(say: Say) -> Installation:
    """Return the installation of this machine, made if it may be."""
    if found := installed():
        return found
    install(PACKAGES, say)
    if found := installed():
        return found
    raise Failed(
        "RabbitMQ's package was installed, but its programs are in none of "
        f"{', '.join(FOLDERS)}: set PLT_AMQP_URL to a running RabbitMQ instead"
    )


def _folders() -> list[Path]:
    releases = [release for parent in RELEASES for release in Path(parent).glob("*/sbin")]
    return [Path(folder) for folder in FOLDERS] + sorted(releases, reverse=True)
