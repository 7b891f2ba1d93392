"""The source of a former version, taken from the history of this checkout."""

import compileall
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.stack import REPOSITORY

FORMER = "4986a4f"
"""The version from which operators upgrade: a tag, or a commit before the first one."""

PRODUCT = ("contracts", "gateway", "worker")


def former_source(folder: Path) -> Path:
    """Return the folder with the source of the former version; fail without a full history."""
    done = subprocess.run(
        ["git", "-C", str(REPOSITORY), "archive", "--format=tar", FORMER, *PRODUCT],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        pytest.fail(
            f"the former version {FORMER} is not in the history of {REPOSITORY}, which may be "
            f"shallow: run `git fetch --unshallow` ({reason})"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    # Each process would compile the source again where PYTHONDONTWRITEBYTECODE is set.
    compileall.compile_dir(folder, quiet=1)
    return folder
