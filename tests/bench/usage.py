"""Processor time of processes and of the whole machine, by the operating system's accounting."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from deploy import family

TICKS = os.sysconf("SC_CLK_TCK")
USER, SYSTEM = 11, 12  # in /proc/<pid>/stat, counted from the first field behind the name
IDLE = (3, 4)  # idle and waiting for disks, in the first line of /proc/stat

Groups = Mapping[str, Iterable[int]]


class Usage(Struct):
    """Seconds of one moment, or between two."""

    clock: float
    groups: dict[str, float]
    machine: float

    def __sub__(self, earlier: "Usage") -> "Usage":
        groups = {name: used - earlier.groups[name] for name, used in self.groups.items()}
        return Usage(self.clock - earlier.clock, groups, self.machine - earlier.machine)

    @property
    def others(self) -> float:
        """What processes used that belong to no group."""
        return max(0.0, self.machine - sum(self.groups.values()))


def now(groups: Groups) -> Usage:
    """What groups of processes have used so far, each with all its processes' threads."""
    used = {name: sum(map(_of_process, pids)) for name, pids in groups.items()}
    return Usage(time.monotonic(), used, _of_machine())


def with_descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    return [pid, *(process.pid for process in family.descendants(pid))]


def _of_process(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER]) + int(fields[SYSTEM])) / TICKS


def _of_machine() -> float:
    first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    return sum(int(ticks) for place, ticks in enumerate(first) if place not in IDLE) / TICKS
