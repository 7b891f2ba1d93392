"""A terminal of 80 columns, in which tests run commands."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

from tests.stack import BOUND_S

COLUMNS = 80
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LOOK_S = 0.5


def in_terminal(
    command: list[str],
    folder: Path,
    environment: dict[str, str],
    *,
    until_output: Callable[[], None] | None = None,
    typed: str = "",
) -> tuple[int, str]:
    """Run a command in a terminal; return its exit status, and its output without colours.

    `typed` is its input. `until_output` is called at intervals until there is output; then the
    command is interrupted.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        # A background job of a shell ignores the signal, and its processes inherit that.
        ["env", "--default-signal=INT", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=plain | environment,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        if until_output is not None:
            while not select.select([ours], [], [], LOOK_S)[0]:
                until_output()
            process.send_signal(signal.SIGINT)
        output = _read(ours)
        status = process.wait(BOUND_S)
    return status, CONTROL.sub("", output).replace("\r\n", "\n")


def _read(terminal: int) -> str:
    """Return everything until the terminal is closed."""
    chunks = []
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                chunk = file.read(65_536)
            except OSError:  # EIO: no process has the terminal any more
                break
            if not chunk:
                break
            chunks.append(chunk)
    return b"".join(chunks).decode()


def lines(output: str) -> list[str]:
    """Return the lines as a terminal shows them: a carriage return begins the line again."""
    return [line.rpartition("\r")[2] for line in output.rstrip("\n").split("\n")]
