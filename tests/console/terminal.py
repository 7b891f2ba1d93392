"""A terminal of 80 columns, in which tests run commands."""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests import forking
from tests.stack import BOUND_S

COLUMNS = 80
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LOOK_S = 0.5


def in_terminal(
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    *,
    until_output: Callable[[], None] | None = None,
    typed: str = "",
) -> tuple[int | None, str]:
    """Run `machinist` in a terminal; return its exit status, and its output without colours.

    `typed` is its input. `until_output` is called at intervals until there is output; then the
    command is interrupted.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = forking.start_in_terminal(
        "gateway.console",
        *words,
        environment=plain | environment,
        terminal=os.ttyname(theirs),
        folder=folder,
    )
    try:
        os.write(ours, typed.encode())
        if until_output is not None:
            while not wait([ours, process.sentinel], LOOK_S):
                until_output()
            assert process.pid is not None  # it was started
            os.kill(process.pid, signal.SIGINT)
        shown = _read(ours, process)
        process.join(BOUND_S)
    finally:
        os.close(ours)
        os.close(theirs)
    return process.exitcode, CONTROL.sub("", shown).replace("\r\n", "\n")


def _read(terminal: int, process: ForkServerProcess) -> str:
    """Return everything that a process writes until it ends."""
    chunks: list[bytes] = []
    while terminal in wait([terminal, process.sentinel], BOUND_S):
        chunks.append(os.read(terminal, 65_536))
    return b"".join(chunks).decode()


def lines(output: str) -> list[str]:
    """Return the lines as a terminal shows them: a carriage return begins the line again."""
    return [line.rpartition("\r")[2] for line in output.rstrip("\n").split("\n")]
