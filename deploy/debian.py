"""Makes root file systems of Debian releases from the mirror that this machine's apt uses."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.child import Child
from deploy.failed import Failed
from deploy.packages import install
from deploy.waiting import Say, wait_until

MADE_WITHIN_S = 600
FORMAT = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)"


def require_mounts() -> None:
    """Fail where a process may not mount folders into a root, before one is made."""
    if os.getuid():
        raise Failed("a root file system of Debian takes root to make and to run programs in")
    try:
        output("unshare", "--mount", "--propagation", "private", "true")
    except Failed as failure:
        raise Failed(f"a process may not mount anything on this machine: {failure}") from failure


@contextmanager
def root_of(release: str, packages: str, folder: Path, say: Say) -> Iterator[Path]:
    """Make a root with these packages in a folder that is removed at the end of the context.

    What has been moved elsewhere by then stays.
    """
    if not shutil.which("mmdebstrap"):
        install({"apt-get": "mmdebstrap"}, say)
    address = _mirror_of_this_machine()
    part = Path(tempfile.mkdtemp(prefix="part-", dir=folder))
    try:
        options = part / "apt.conf"
        options.write_text(ways_to_the_mirror())
        command = [
            "mmdebstrap",
            *("--variant=minbase", f"--include={packages}", f"--aptopt={options}"),
            *(release, str(part / "root"), f"deb {address} {release} main"),
        ]
        with Child("mmdebstrap", command, log=folder / "mmdebstrap.log") as child:
            wait_until(lambda: not child.alive, MADE_WITHIN_S, "mmdebstrap ends")
            if child.exit_code:
                raise Failed(
                    f"mmdebstrap made no root of Debian {release} (see {child.log}):\n"
                    f"{child.last_lines()}"
                )
        yield part / "root"
    finally:
        shutil.rmtree(part, ignore_errors=True)


def mirror(targets: str) -> str:
    """Return the address of a Debian mirror from what `apt-get indextargets` prints for FORMAT."""
    for line in targets.splitlines():
        origin, component, codename, address = line.split(" ", 3)
        # Updates and security updates are archives of their own.
        if (origin, component) == ("Debian", "main") and "-" not in codename:
            return address
    raise Failed("apt on this machine knows no mirror of Debian: expected one with its main part")


def ways_to_the_mirror() -> str:
    """Proxies and the like: mmdebstrap does not read this machine's settings of apt."""
    settings = output("apt-config", "dump").splitlines()
    return "\n".join(line for line in settings if line.startswith("Acquire::http")) + "\n"


def output(*command: str) -> str:
    """Return what a command prints; raises Failed with its own words."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Failed(f"there is no {command[0]} on this machine") from error
    if done.returncode:
        raise Failed(f"{command[0]} {command[1]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _mirror_of_this_machine() -> str:
    targets = output("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    if not targets.startswith("Debian") and "\nDebian" not in targets:
        output("apt-get", "update")
        targets = output("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    return mirror(targets)
