"""Containers of a test, on the network of this machine, with the least rights."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, STDOUT, run
from uuid import uuid4

from deploy.failed import Failed
from deploy.image.engine import Engine
from tests.stack import eventually

HARDENED = (
    "--read-only",
    *("--cap-drop", "all"),
    *("--security-opt", "no-new-privileges"),
    # Linux only: the sandbox and the ports of the tests are on loopback.
    *("--network", "host"),
)
STOP_S = 30
"""Kubernetes' grace period."""


class Container:
    """A running container."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @property
    def running(self) -> bool:
        return bool(self._engine.inspect(self.name)["State"]["Running"])

    @property
    def exit_code(self) -> int:
        return int(self._engine.inspect(self.name)["State"]["ExitCode"])

    def python(self, script: str) -> str:
        """Run a script with the Python of the image."""
        return self._engine.run("exec", self.name, "python", "-c", script)

    def health(self) -> None:
        """Run the image's health check. Raises Failed if it fails."""
        check = self._engine.inspect(self.name)["Config"]["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        self._engine.run("exec", self.name, *check[1:])

    def logs(self) -> str:
        """Return what the container has printed, to its standard output and error."""
        words = [self._engine.program, "logs", self.name]
        return run(words, stdout=PIPE, stderr=STDOUT, text=True, check=True).stdout

    def stop(self) -> float:
        """Stop the container as Kubernetes does, and return the seconds that it took."""
        began = time.monotonic()
        self._engine.run("stop", "--time", str(STOP_S), self.name, seconds=120)
        return time.monotonic() - began

    def wait_for_end(self) -> int:
        """Wait until the container has ended and return its exit status."""
        eventually(lambda: not self.running, what=f"the container {self.name} ends")
        return self.exit_code


class Containers:
    """Starts containers, and removes them at the end of a test."""

    def __init__(self, engine: Engine, contexts: ExitStack) -> None:
        self._engine = engine
        self._contexts = contexts

    def start(
        self,
        image: str,
        *command: str,
        environment: Mapping[str, str],
        options: Sequence[str] = (),
        mounts: Mapping[Path, str] | None = None,
    ) -> Container:
        """Start a container. `mounts` maps folders of this machine to paths, read-only."""
        name = f"machinist-test-{uuid4().hex[:8]}"
        words = ["run", "--detach", "--name", name, *HARDENED, *options]
        for key, value in environment.items():
            words += ["--env", f"{key}={value}"]
        for folder, path in (mounts or {}).items():
            words += ["--volume", f"{folder}:{path}:ro"]
        self._contexts.callback(self._remove, name)
        self._engine.run(*words, image, *command, seconds=120)
        return Container(self._engine, name)

    def _remove(self, name: str) -> None:
        try:
            self._engine.run("rm", "--force", "--volumes", name, seconds=120)
        except Failed as failure:
            # A container that could not be created cannot be removed either.
            if "no such container" not in str(failure).lower():
                raise
