"""Finds the descendants of a process, and ends those that outlive it.

Reads Linux's /proc; other systems have no known descendants.
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
"""Time for a killed process to disappear, which is not immediate on a busy machine."""


class Process(NamedTuple):
    """A process. The start time distinguishes it from a later process with the same id."""

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


def end(orphans: Iterable[Process], seconds: float = 3) -> None:
    """Wait until processes whose parent has ended exit by themselves, then kill the others."""
    left = set(orphans)
    try:
        wait_until(lambda: not left & _running().keys(), seconds, "processes follow their parent")
    except Failed:
        for process in left & _running().keys():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not left & _running().keys(), KILLED_S, "killed processes have ended")


def _running() -> dict[Process, int]:
    """Return every process that has not ended, with the id of its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # A process may end between the listing and the reading.
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name is in brackets and may contain brackets and spaces.
            state, parent, *rest = path.read_text().rpartition(")")[2].split()
            if state not in "ZX":
                found[Process(int(path.parent.name), rest[17])] = int(parent)
    return found
