"""Prometheus' own checker of rules, from the distribution's package, installed if it is missing."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from deploy.packages import install


def program() -> str:
    """Return the path of promtool. Raises deploy.failed.Failed if it cannot be installed."""
    if not shutil.which("promtool"):
        install({"apt-get": "prometheus"}, print)
    return shutil.which("promtool") or "promtool"


def run(*arguments: str | Path, folder: Path) -> tuple[bool, str]:
    """Run promtool; return whether it succeeded, and its output."""
    done = subprocess.run(
        [program(), *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def written(folder: Path, name: str, content: Any) -> Path:
    """Write a YAML file."""
    file = folder / name
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file
