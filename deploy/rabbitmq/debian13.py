"""RabbitMQ 4.0.5 from a root file system of Debian 13, for other releases of Debian.

The root is made once, from the mirror of this machine's apt. `python -m deploy.rabbitmq.debian13`
makes it, and prints the folder of programs for PLT_RABBITMQ_BIN.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy import debian
from deploy.failed import Failed
from deploy.waiting import Say

RELEASE = "trixie"
VERSION = "4.0.5"
"""The version of RabbitMQ in this release of Debian."""

LAUNCHER = Path(__file__).with_name("in-debian-root.sh")
PROGRAMS = (
    "rabbitmq-server",
    "rabbitmqctl",
    "rabbitmq-plugins",
    "rabbitmq-queues",
    "rabbitmq-streams",
    "rabbitmq-diagnostics",
    "rabbitmq-upgrade",
    "epmd",
)


def programs(say: Say, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of programs, after making the root if it is missing.

    The folder is kept in the user's cache. Several processes may call this at the same time.
    """
    folder = _cache(environ)
    root = folder / "root"
    debian.require_mounts()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock", say):
        if not root.exists():
            _make(root, say)
        _link(folder / "bin")
    return folder / "bin"


def _cache(environ: Mapping[str, str]) -> Path:
    caches = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches).absolute() / "machinist" / f"debian-{RELEASE}"


def _make(root: Path, say: Say) -> None:
    for left_over in root.parent.glob("part-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    say(f"making a root of Debian 13 with RabbitMQ {VERSION}, which may take a minute")
    with debian.temporary_root(RELEASE, "rabbitmq-server", root.parent, say) as made:
        made.rename(root)


def _link(folder: Path) -> None:
    """Copy the launcher, which may replace an older one, and link it as every program."""
    folder.mkdir(exist_ok=True)
    launcher = folder / LAUNCHER.name
    if not launcher.exists() or launcher.read_bytes() != LAUNCHER.read_bytes():
        fresh = folder / f"{LAUNCHER.name}.part"
        shutil.copyfile(LAUNCHER, fresh)
        fresh.chmod(0o755)
        fresh.replace(launcher)
    for name in PROGRAMS:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(LAUNCHER.name)


@contextmanager
def _locked(file: Path, say: Say) -> Iterator[None]:
    """Lock out other processes. The lock ends with this process, even after SIGKILL."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that makes the root of Debian 13")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(programs(lambda message: print(message, file=sys.stderr)))
    except Failed as failure:
        sys.exit(str(failure))
