"""Makes RabbitMQ 4.0.5 usable on another release of Debian, from a root file system of Debian 13.

The root comes from the mirror that this machine's apt uses, once; the folder of programs beside it
is what PLT_RABBITMQ_BIN names. `python -m deploy.rabbitmq.debian13` makes both and prints it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.child import Child
from deploy.failed import Failed
from deploy.packages import install
from deploy.waiting import Say, wait_until

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
MADE_WITHIN_S = 600


def programs(say: Say, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of programs; make the root first where it is missing.

    The folder is this user's for good, and several processes may ask for it at the same time.
    """
    folder = _cache(environ)
    root = folder / "root"
    _require_mounts()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock", say):
        if not root.exists():
            _make(root, say)
        _link(folder / "bin")
    return folder / "bin"


def mirror(targets: str) -> str:
    """Return the address of a Debian mirror from what `apt-get indextargets` prints for FORMAT."""
    for line in targets.splitlines():
        origin, component, codename, address = line.split(" ", 3)
        # Updates and security updates are archives of their own.
        if (origin, component) == ("Debian", "main") and "-" not in codename:
            return address
    raise Failed("apt on this machine knows no mirror of Debian: expected one with its main part")


FORMAT = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)"


def _cache(environ: Mapping[str, str]) -> Path:
    caches = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches).absolute() / "machinist" / f"debian-{RELEASE}"


def _require_mounts() -> None:
    """Fail where a process may not mount folders into a root, before one is made."""
    if os.getuid():
        raise Failed("a root file system of Debian 13 takes root to make and to run programs in")
    try:
        _output("unshare", "--mount", "--propagation", "private", "true")
    except Failed as failure:
        raise Failed(f"a process may not mount anything on this machine: {failure}") from failure


def _make(root: Path, say: Say) -> None:
    if not shutil.which("mmdebstrap"):
        install({"apt-get": "mmdebstrap"}, say)
    targets = _output("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    if not targets.startswith("Debian") and "\nDebian" not in targets:
        _output("apt-get", "update")
        targets = _output("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    address = mirror(targets)
    for left_over in root.parent.glob("part-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix="part-", dir=root.parent))
    options = part / "apt.conf"
    options.write_text(_ways_to_the_mirror())
    say(f"making a root of Debian 13 with RabbitMQ {VERSION}, which may take a minute")
    command = [
        "mmdebstrap",
        *("--variant=minbase", "--include=rabbitmq-server", f"--aptopt={options}"),
        *(RELEASE, str(part / "root"), f"deb {address} {RELEASE} main"),
    ]
    with Child("mmdebstrap", command, log=root.parent / "mmdebstrap.log") as child:
        wait_until(lambda: not child.alive, MADE_WITHIN_S, "mmdebstrap ends")
        if child.exit_code:
            raise Failed(
                f"mmdebstrap made no root of Debian 13 (see {child.log}):\n{child.last_lines()}"
            )
    (part / "root").rename(root)
    shutil.rmtree(part)


def _ways_to_the_mirror() -> str:
    """Proxies and the like: mmdebstrap does not read this machine's settings of apt."""
    settings = _output("apt-config", "dump").splitlines()
    return "\n".join(line for line in settings if line.startswith("Acquire::http")) + "\n"


def _link(folder: Path) -> None:
    """Put the launcher there under the name of every program; it may replace an older one."""
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
    """Keep other processes out; the lock ends with the process, however it ends."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that makes the root of Debian 13")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Failed(f"there is no {command[0]} on this machine") from error
    if done.returncode:
        raise Failed(f"{command[0]} {command[1]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(programs(lambda message: print(message, file=sys.stderr)))
    except Failed as failure:
        sys.exit(str(failure))
