"""Memory and disk of the broker, from the limits of the container."""

import shutil
from pathlib import Path

from msgspec import Struct

from contracts.topology import GIB, MIB

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""The memory limit of this container in version 2 and in version 1 of Linux's control groups."""

MEMINFO = Path("/proc/meminfo")
MOUNTS = Path("/proc/self/mounts")
IN_MEMORY = ("tmpfs", "ramfs")

LEAST_MEMORY = 400 * MIB
"""Below this limit the processes may be killed for lack of memory."""


class Sizes(Struct, frozen=True):
    """Limits in bytes. The broker blocks publishers above `memory` and below `disk_free`."""

    memory: int
    disk_free: int
    write_ahead_log: int
    audit: int
    audit_segment: int
    dead: int
    """The limit of `machinist.ended` and of `machinist.dead`."""


def sizes(memory: int, disk: int) -> Sizes:
    """Return the limits for a container with this memory and this free disk space, in bytes.

    The broker gets 40 % of the memory: the rest is for gateway, worker and supervisor, which need
    200 MB. A stream exceeds its limit by up to one segment, and the write-ahead log exists twice
    while it is written to segments.
    """
    return Sizes(
        memory=_between(128 * MIB, memory * 4 // 10, GIB),
        disk_free=_between(8 * MIB, disk // 8, 256 * MIB),
        write_ahead_log=_between(4 * MIB, min(memory // 32, disk // 16), 64 * MIB),
        audit=_between(8 * MIB, disk // 4, 10 * GIB),
        audit_segment=_between(MIB, disk // 32, 100 * MIB),
        dead=_between(4 * MIB, disk // 16, GIB),
    )


def memory_limit() -> int:
    """Return the memory limit of this container, or the machine's memory if there is none."""
    words = MEMINFO.read_text().split()
    machine = int(words[words.index("MemTotal:") + 1]) * 1024
    limits = [file.read_text().strip() for file in CGROUP_LIMITS if file.exists()]
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])


def free_disk(folder: Path, memory: int) -> int:
    """Return the free space of a folder's file system; in memory, at most a quarter of `memory`."""
    free = shutil.disk_usage(folder).free
    return min(free, memory // 4) if file_system(folder, MOUNTS) in IN_MEMORY else free


def file_system(folder: Path, mounts: Path) -> str:
    """Return the type of the file system that a folder is on, from Linux's table of mounts."""
    rows = [line.split(" ") for line in mounts.read_text().splitlines()]
    # The last mount on a path hides those before it.
    types = {row[1]: row[2] for row in rows}
    return next(
        (types[str(each)] for each in (folder, *folder.parents) if str(each) in types), "unknown"
    )


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))
