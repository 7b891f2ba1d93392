"""How long clients may take and how much of this process they may hold."""

import resource

from msgspec import Struct

MEBIBYTE = 1024 * 1024
BACKLOG = 2048
RESERVED = 128
"""File descriptors for the broker, the log, the listening socket and what the system needs."""


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds on connections and on what they hold; times are in seconds.

    A new connection has `head_s` for its first request line and headers, and so has every further
    request from its first byte on. `unsent_bytes` are answers that clients do not take.
    """

    connections: int = 16_384
    backlog: int = BACKLOG
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 75.0
    answer_s: float = 60.0
    head_bytes: int = 16 * 1024
    headers: int = 100
    held_bytes: int = 64 * MEBIBYTE
    unsent_bytes: int = 256 * MEBIBYTE


DEFAULT = Limits()


def within_descriptors(connections: int) -> tuple[int, int]:
    """Return how many connections and how long a backlog this process has file descriptors for.

    The soft limit is raised as far as it has to be and may be. The server accepts a whole backlog
    before it closes anything in exchange, so there have to be descriptors for that as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + BACKLOG + RESERVED
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY or soft >= connections + BACKLOG + RESERVED:
        return connections, BACKLOG
    each = max(1, (soft - RESERVED) // 2)
    return min(connections, each), min(BACKLOG, each)
