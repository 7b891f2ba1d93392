"""Says which processes descend from one, and ends those that its death leaves behind.

Reads Linux's /proc; where there is none, no descendants are known.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from deploy.failed import Failed
from deploy.waiting import wait_until

KILLED_S = 10
"""On a busy machine even a killed process needs a moment to go."""


class Process(NamedTuple):
    """A process; its start time tells it from a later one with the same id."""

    pid: int
    started: str


def descendants(pid: int) -> set[Process]:
    """Return the children of a process, their children, and so on."""
    parents = {process: parent for process, parent in _running().items() if process.pid != pid}
    known: set[Process] = set()
    pids = {pid}
    while found := {process for process, parent in parents.items() if parent in pids} - known:
        known |= found
        pids = {process.pid for process in found}
    return known


def end(family: Iterable[Process], seconds: float = 3) -> None:
    """Give processes whose parent has ended some time to follow it, then kill them."""
    left = set(family)
    try:
        wait_until(lambda: not left & _running().keys(), seconds, "processes follow their parent")
    except Failed:
        for process in left & _running().keys():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not left & _running().keys(), KILLED_S, "killed processes are gone")


def _running() -> dict[Process, int]:
    """Every process that has not ended, and its parent's id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # A process may end between the listing and the reading: it is not running, then.
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name stands in brackets and may itself hold brackets and spaces.
            state, parent, *rest = path.read_text().rpartition(")")[2].split()
            if state not in "ZX":
                found[Process(int(path.parent.name), rest[17])] = int(parent)
    return found
