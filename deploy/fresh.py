"""Runs `deploy/test` in a fresh root file system of Debian, which has Python only."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy import debian
from deploy.waiting import Say

CHECKOUT = Path(__file__).resolve().parent.parent
LAUNCHER = Path(__file__).with_name("in-fresh-root.sh")
PACKAGES = "python3,ca-certificates,curl"
"""Packages that developers have; `deploy/test` installs all others itself."""

CHECKOUT_IN_ROOT = Path("/machinist")
REPORTS = Path("/reports")
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts")
PIP_FILES = ("/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf")
NETWORK_VARIABLES = re.compile(
    r"(PIP_.*|SSL_CERT_.*|.*_CA_BUNDLE|(https?|no|all)_proxy)", re.IGNORECASE
)


def run(release: str, arguments: Sequence[str], junit: Path, say: Say) -> bool:
    """Run `deploy/test` in a fresh root and return whether all checks passed.

    The report of its tests is copied to `junit`. Raises Failed if the root cannot be made.
    """
    debian.require_mounts()
    with tempfile.TemporaryDirectory(prefix="machinist-fresh-") as folder:
        say(f"making a fresh root of Debian {release}, which may take a minute")
        with debian.temporary_root(release, PACKAGES, Path(folder), say) as root:
            _copy_files(root)
            paths = ":".join(map(str, _index_paths(os.environ)))
            command: list[str | Path] = [LAUNCHER, root, paths, "/usr/bin/env", "-i"]
            command += _environment(os.environ)
            command += [CHECKOUT_IN_ROOT / "deploy" / "test", "--reports", REPORTS, *arguments]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
            report = root / REPORTS.relative_to("/") / "junit-0.xml"
            if report.exists():
                shutil.copyfile(report, junit)
    return done.returncode == 0


def _copy_files(root: Path) -> None:
    """Copy the checkout, with uncommitted and without ignored files, and the network settings."""
    listed = debian.output(
        *("git", "-C", str(CHECKOUT), "ls-files", "-z"),
        *("--cached", "--others", "--exclude-standard"),
    )
    for name in filter(None, listed.split("\0")):
        source, target = CHECKOUT / name, root / CHECKOUT_IN_ROOT.relative_to("/") / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for name in (*NETWORK_FILES, *PIP_FILES):
        if Path(name).exists():
            copy = root / name.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            shutil.copyfile(name, copy)
    settings = root / "etc/apt/apt.conf.d/99-ways-to-the-mirror"
    settings.write_text(debian.proxy_settings())


def _environment(environ: Mapping[str, str]) -> list[str]:
    """Return the variables of a fresh machine, and this machine's for pip and the network."""
    own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    network = {name: value for name, value in environ.items() if NETWORK_VARIABLES.fullmatch(name)}
    return [f"{name}={value}" for name, value in (own | network).items()]


def _index_paths(environ: Mapping[str, str]) -> list[Path]:
    """Return the files and folders that pip's settings name, such as certificates."""
    settings = [value for name, value in environ.items() if NETWORK_VARIABLES.fullmatch(name)]
    for file in filter(os.path.isfile, PIP_FILES):
        settings += Path(file).read_text().splitlines()
    words = {word for text in settings for word in re.split(r"[\s=]+", text)}
    named = {Path(word) for word in words if word.startswith("/")}
    # The files of an index are in folders beside its pages.
    indexes = (word.removeprefix("file://") for word in words if word.startswith("file:"))
    named |= {Path(index).parent for index in indexes}
    paths = sorted(path for path in named - {Path("/")} if path.exists())
    # Mounting a folder includes the paths below it.
    return [path for path in paths if not any(other in path.parents for other in paths)]
