"""A program that runs for as long as the one that started it wants, and never longer."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy import family

# Linux sends the signal of leash.py at the end of the *thread* that forked. This one lasts as long
# as the process, whichever thread asks for a child.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


class Child:
    """One program with a log file, ended at the end of the context, or with us at the latest."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(word) for word in command]
        self._env = env
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What the program ended with: a signal's number as a negative one."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        running = _forker.submit(self._fork)
        try:
            self._process = running.result()
        except BaseException:
            # Ctrl-C while the other thread forks: the child is there all the same.
            self._process = running.result()
            self.kill()
            raise

    def stop(self, grace: float = 10) -> None:
        """Ask the program to end; kill it when it has not ended after `grace` seconds."""
        if not self.alive or self._process is None:
            return
        left_behind = family.descendants(self.pid)
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        family.end(left_behind)

    def kill(self) -> None:
        """End the program at once, without a chance to clean up."""
        if not self.alive or self._process is None:
            return
        left_behind = family.descendants(self.pid)
        self._process.kill()
        self._process.wait()
        family.end(left_behind)

    def last_lines(self, count: int = 15) -> str:
        """The end of the log, for whoever has to explain a failure."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def _fork(self) -> subprocess.Popen[bytes]:
        leash = [sys.executable, "-I", str(Path(__file__).with_name("leash.py")), str(os.getpid())]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the rest.
            return subprocess.Popen(
                leash + self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
