"""The container engine of this machine: Docker with BuildKit, else Podman, by their command."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.failed import Failed

VARIABLE = "PLT_IMAGE_ENGINE"
PROBES = {
    # Without buildx, Docker's command has a builder without secrets.
    "docker": (("info",), ("buildx", "version")),
    "podman": (("info",),),
}
"""The engines, with commands that succeed if an engine can build and run."""

PROBE_S = 30


@dataclass(frozen=True)
class Engine:
    """An engine, by the name of its command."""

    program: str

    def run(self, *arguments: str | Path, seconds: float = 60) -> str:
        """Run a command of the engine and return its output. Raises Failed with the reason."""
        words = [self.program, *map(str, arguments)]
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise Failed(f"there is no {self.program} on this machine") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{' '.join(words[:3])}: no answer within {seconds:g} s") from error
        if done.returncode:
            end = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise Failed(f"{' '.join(words[:3])} failed with status {done.returncode}:\n{end}")
        return done.stdout

    def inspect(self, name: str) -> dict[str, Any]:
        """Return the description of an image or a container."""
        found: dict[str, Any] = json.loads(self.run("inspect", name))[0]
        return found

    def has(self, image: str) -> bool:
        """Return whether the image is on this machine."""
        try:
            self.run("image", "inspect", image)
        except Failed:
            return False
        return True

    def answers(self) -> bool:
        """Return whether the engine can build and run images."""
        try:
            for probe in PROBES[self.program]:
                self.run(*probe, seconds=PROBE_S)
        except Failed:
            return False
        return True


def find(environ: Mapping[str, str] = os.environ) -> Engine:
    """Return the engine of PLT_IMAGE_ENGINE, or the first that answers. Raises Failed without."""
    named = environ.get(VARIABLE)
    if named and named not in PROBES:
        raise Failed(f"{VARIABLE} is {named!r}: expected one of {', '.join(PROBES)}")
    for program in [named] if named else PROBES:
        if shutil.which(program) and Engine(program).answers():
            return Engine(program)
    raise Failed(
        "no container engine answers: expected Docker with buildx, whose daemon runs, or Podman"
    )
