"""CPU time of processes and of the whole machine, from /proc."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from deploy import process_tree

CORES = os.cpu_count() or 1
TICKS = os.sysconf("SC_CLK_TCK")
BUSY = (0, 1, 2, 5, 6)  # user, nice, system, interrupts: in the first line of /proc/stat
STOLEN = (7,)

Groups = Mapping[str, Iterable[int]]


class Usage(Struct):
    """CPU seconds since the start, or between two readings."""

    clock: float
    groups: dict[str, float]
    machine: float
    stolen: float
    """CPU seconds that the hypervisor gave to other machines while this one had work."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        groups = {name: used - earlier.groups[name] for name, used in self.groups.items()}
        machine, stolen = self.machine - earlier.machine, self.stolen - earlier.stolen
        return Usage(self.clock - earlier.clock, groups, machine, stolen)

    @property
    def others_busy(self) -> float:
        """The share of the machine that processes outside the groups used."""
        return max(0.0, self.machine - sum(self.groups.values())) / self.clock / CORES

    @property
    def stolen_share(self) -> float:
        """The share of the machine that other machines used."""
        return self.stolen / self.clock / CORES


def now(groups: Groups) -> Usage:
    """Return the CPU time of groups of processes so far, with all threads."""
    used = {name: sum(map(_of_process, pids)) for name, pids in groups.items()}
    return Usage(time.monotonic(), used, _of_machine(BUSY), _of_machine(STOLEN))


def with_descendants(pid: int) -> list[int]:
    """Return a process and its descendants."""
    return [pid, *(process.pid for process in process_tree.descendants(pid))]


def _of_process(pid: int) -> float:
    """Read schedstat, because user and system time have a resolution of only 10 ms."""
    nanoseconds = 0
    # A process that ends between two readings is not counted, such as `df` of the broker.
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _of_machine(columns: Iterable[int]) -> float:
    ticks = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    return sum(int(ticks[column]) for column in columns) / TICKS
