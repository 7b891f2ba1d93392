"""Runs `deploy/test` on a fresh Debian: in a root file system with Python and nothing of ours."""

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
"""What a machine for developers has; all else `deploy/test` installs by itself."""

THERE = Path("/machinist")
REPORTS = Path("/reports")
OF_THE_MACHINE = ("/etc/resolv.conf", "/etc/hosts")
PIP_FILES = ("/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf")
PASSED_ON = re.compile(r"(PIP_.*|SSL_CERT_.*|.*_CA_BUNDLE|(https?|no|all)_proxy)", re.IGNORECASE)


def passes(release: str, words: Sequence[str], junit: Path, say: Say) -> bool:
    """Run `deploy/test` with these words in a fresh root, and tell whether all checks passed.

    The report of its tests is written to `junit`. Raises Failed where no root can be made.
    """
    debian.require_mounts()
    with tempfile.TemporaryDirectory(prefix="machinist-fresh-") as folder:
        say(f"making a fresh root of Debian {release}, which may take a minute")
        with debian.root_of(release, PACKAGES, Path(folder), say) as root:
            _furnish(root)
            paths = ":".join(map(str, _ways_to_the_index(os.environ)))
            command: list[str | Path] = [LAUNCHER, root, paths, "/usr/bin/env", "-i"]
            command += _environment(os.environ)
            command += [THERE / "deploy" / "test", "--reports", REPORTS, *words]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
            report = root / REPORTS.relative_to("/") / "junit-0.xml"
            if report.exists():
                shutil.copyfile(report, junit)
    return done.returncode == 0


def _furnish(root: Path) -> None:
    """Put the checkout there as it is, with what is not committed and without what is ignored."""
    listed = debian.output(
        *("git", "-C", str(CHECKOUT), "ls-files", "-z"),
        *("--cached", "--others", "--exclude-standard"),
    )
    for name in filter(None, listed.split("\0")):
        source, target = CHECKOUT / name, root / THERE.relative_to("/") / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for name in (*OF_THE_MACHINE, *PIP_FILES):
        if Path(name).exists():
            copy = root / name.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            shutil.copyfile(name, copy)
    settings = root / "etc/apt/apt.conf.d/99-ways-to-the-mirror"
    settings.write_text(debian.ways_to_the_mirror())


def _environment(environ: Mapping[str, str]) -> list[str]:
    """The variables of a fresh machine, and those that lead to the package index."""
    own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    ways = {name: value for name, value in environ.items() if PASSED_ON.fullmatch(name)}
    return [f"{name}={value}" for name, value in (own | ways).items()]


def _ways_to_the_index(environ: Mapping[str, str]) -> list[Path]:
    """The files and folders of this machine that pip's settings name, such as certificates."""
    settings = [value for name, value in environ.items() if PASSED_ON.fullmatch(name)]
    for file in filter(os.path.isfile, PIP_FILES):
        settings += Path(file).read_text().splitlines()
    words = {word for text in settings for word in re.split(r"[\s=]+", text)}
    named = {Path(word) for word in words if word.startswith("/")}
    # The files of an index lie beside its pages.
    indexes = (word.removeprefix("file://") for word in words if word.startswith("file:"))
    named |= {Path(index).parent for index in indexes}
    paths = sorted(path for path in named - {Path("/")} if path.exists())
    # One that is below another is there with it.
    return [path for path in paths if not any(other in path.parents for other in paths)]
