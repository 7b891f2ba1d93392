"""Child processes that never outlive the process that started them."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from deploy import process_tree

# Linux sends the signal of parent_death.py when the *thread* that forked ends. This thread lives as
# long as the process, whichever thread starts a child.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


class ChildProcess:
    """A program with a log file. It ends with the context, or at the latest with this process."""

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
        """The exit status; after a signal, its number with a minus sign."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        forking = _forker.submit(self._fork)
        try:
            self._process = forking.result()
        except BaseException:
            # After Ctrl-C the other thread still forks, so there is a child to kill.
            self._process = forking.result()
            self.kill()
            raise

    def stop(self, grace: float = 10) -> None:
        """Send SIGTERM, and SIGKILL if the program has not ended after `grace` seconds."""
        if not self.alive or self._process is None:
            return
        orphans = process_tree.descendants(self.pid)
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        process_tree.end(orphans)

    def kill(self) -> None:
        """End the program with SIGKILL."""
        if not self.alive or self._process is None:
            return
        orphans = process_tree.descendants(self.pid)
        self._process.kill()
        self._process.wait()
        process_tree.end(orphans)

    def last_lines(self, count: int = 15) -> str:
        """Return the last lines of the log, for the message of a failure."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def _fork(self) -> subprocess.Popen[bytes]:
        launcher = str(Path(__file__).with_name("parent_death.py"))
        prefix = [sys.executable, "-I", launcher, str(os.getpid())]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # In a session of its own, the child gets no SIGINT from Ctrl-C in the terminal: this
            # process gets it and stops the child.
            return subprocess.Popen(
                prefix + self._command,
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

    def __exit__(self, *_: object) -> None:
        self.stop()
