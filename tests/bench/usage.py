"""Processor time of processes and of the whole machine, by the operating system's accounting."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from deploy import process_tree

TICKS = os.sysconf("SC_CLK_TCK")
BUSY = (0, 1, 2, 5, 6)  # user, nice, system, interrupts: in the first line of /proc/stat
STOLEN = (7,)

Groups = Mapping[str, Iterable[int]]


class Usage(Struct):
    """Seconds of one moment, or between two."""

    clock: float
    groups: dict[str, float]
    machine: float
    stolen: float
    """What the hypervisor gave to other machines although this one had work to do."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        groups = {name: used - earlier.groups[name] for name, used in self.groups.items()}
        machine, stolen = self.machine - earlier.machine, self.stolen - earlier.stolen
        return Usage(self.clock - earlier.clock, groups, machine, stolen)

    @property
    def others(self) -> float:
        """What processes used that belong to no group."""
        return max(0.0, self.machine - sum(self.groups.values()))


def now(groups: Groups) -> Usage:
    """What groups of processes have used so far, each with all its processes' threads."""
    used = {name: sum(map(_of_process, pids)) for name, pids in groups.items()}
    return Usage(time.monotonic(), used, _of_machine(BUSY), _of_machine(STOLEN))


def with_descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    return [pid, *(process.pid for process in process_tree.descendants(pid))]


def _of_process(pid: int) -> float:
    """By the scheduler's own clock: user and system time are told in hundredths of a second."""
    nanoseconds = 0
    # What ends between two readings (the broker runs `df` now and then) counts for nothing.
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _of_machine(columns: Iterable[int]) -> float:
    ticks = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    return sum(int(ticks[column]) for column in columns) / TICKS
