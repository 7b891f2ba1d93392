"""Root file systems of Debian releases, from the mirror of this machine's apt."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.failed import Failed
from deploy.packages import install
from deploy.process import ChildProcess
from deploy.waiting import Say, wait_until

MMDEBSTRAP_TIMEOUT_S = 600
FORMAT = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)"


def require_mounts() -> None:
    """Raise Failed if this process may not mount folders, before a root is made."""
    if os.getuid():
        raise Failed("a root file system of Debian can be made and used by the user root only")
    try:
        output("unshare", "--mount", "--propagation", "private", "true")
    except Failed as failure:
        raise Failed(f"processes may not mount folders on this machine: {failure}") from failure


@contextmanager
def temporary_root(release: str, packages: str, folder: Path, say: Say) -> Iterator[Path]:
    """Make a root with these packages, and remove it at the end unless it was moved elsewhere."""
    if not shutil.which("mmdebstrap"):
        install({"apt-get": "mmdebstrap"}, say)
    address = _local_mirror()
    part = Path(tempfile.mkdtemp(prefix="part-", dir=folder))
    try:
        options = part / "apt.conf"
        options.write_text(proxy_settings())
        command = [
            "mmdebstrap",
            *("--variant=minbase", f"--include={packages}", f"--aptopt={options}"),
            *(release, str(part / "root"), f"deb {address} {release} main"),
        ]
        with ChildProcess("mmdebstrap", command, log=folder / "mmdebstrap.log") as child:
            wait_until(lambda: not child.alive, MMDEBSTRAP_TIMEOUT_S, "mmdebstrap ends")
            if child.exit_code:
                raise Failed(
                    f"mmdebstrap made no root of Debian {release} (see {child.log}):\n"
                    f"{child.last_lines()}"
                )
        yield part / "root"
    finally:
        shutil.rmtree(part, ignore_errors=True)


def mirror(targets: str) -> str:
    """Return the address of a Debian mirror from `apt-get indextargets` in FORMAT."""
    for line in targets.splitlines():
        origin, component, codename, address = line.split(" ", 3)
        # Updates and security updates are separate archives.
        if (origin, component) == ("Debian", "main") and "-" not in codename:
            return address
    raise Failed("apt on this machine has no mirror of Debian: expected one with component main")


def proxy_settings() -> str:
    """Return apt's HTTP settings, such as proxies, which mmdebstrap does not read itself."""
    settings = output("apt-config", "dump").splitlines()
    return "\n".join(line for line in settings if line.startswith("Acquire::http")) + "\n"


def output(*command: str) -> str:
    """Return the output of a command. Raises Failed with its error message."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Failed(f"there is no {command[0]} on this machine") from error
    if done.returncode:
        raise Failed(f"{command[0]} {command[1]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _local_mirror() -> str:
    targets = output("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    if not targets.startswith("Debian") and "\nDebian" not in targets:
        output("apt-get", "update")
        targets = output("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    return mirror(targets)
