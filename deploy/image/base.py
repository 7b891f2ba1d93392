"""The base image of tests: one that is here or can be pulled, else a root of Debian 13."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy import debian
from deploy.failed import Failed
from deploy.image.build import DOCKERFILE
from deploy.image.engine import Engine
from deploy.waiting import Say

VARIABLE = "PLT_IMAGE_BASE"
RELEASE = "trixie"
PACKAGES = "ca-certificates,python3,python3-venv"
FROM_ROOT = f"localhost/machinist-base:{RELEASE}"
PULL_S = 300


def default_base() -> str:
    """Return the base image that the Dockerfile names."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    if found is None:
        raise Failed(f"{DOCKERFILE} has no line `ARG BASE=IMAGE`")
    return found[1]


def find(engine: Engine, say: Say, environ: Mapping[str, str] = os.environ) -> str:
    """Return the image of PLT_IMAGE_BASE, or the Dockerfile's, or one made from a Debian mirror.

    Raises Failed if there is no registry and no root can be made.
    """
    if named := environ.get(VARIABLE):
        return named
    usual = default_base()
    if engine.has(usual):
        return usual
    try:
        engine.run("pull", usual, seconds=PULL_S)
    except Failed:
        say(f"{usual} cannot be pulled, so the base is a root of Debian {RELEASE}")
        return from_root(engine, say)
    return usual


def from_root(engine: Engine, say: Say) -> str:
    """Import a root of Debian as an image, unless it is there, and return its name."""
    if engine.has(FROM_ROOT):
        return FROM_ROOT
    debian.require_mounts()
    with tempfile.TemporaryDirectory(prefix="machinist-base-") as name:
        folder = Path(name)
        with debian.temporary_root(RELEASE, PACKAGES, folder, say) as root:
            archive = folder / "root.tar"
            debian.output("tar", "--directory", str(root), "--create", "--file", str(archive), ".")
        engine.run("import", archive, FROM_ROOT, seconds=PULL_S)
    return FROM_ROOT
