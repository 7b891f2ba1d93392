"""Limits on clients: time, connections and memory."""

import resource

from msgspec import Struct

MEBIBYTE = 1024 * 1024
BACKLOG = 2048
RESERVED = 128
"""File descriptors for the broker, the log, the listening sockets, scrapers and the system."""


class Limits(Struct, frozen=True, kw_only=True):
    """Limits on connections and their memory; times are in seconds.

    `head_s` limits the time for a request line and headers: from the start of a connection (with
    TLS from the end of the handshake), and from the first byte of every further request. `close_s`
    limits the wait for the client to close a connection after the server has closed its sending
    side; `first_s` limits the wait for the first byte of a connection while the server stops.
    `handshakes` limits incomplete TLS handshakes, which take about 50 KiB of memory each.
    `unsent_bytes` limits responses that clients do not read.
    """

    connections: int = 16_384
    backlog: int = BACKLOG
    handshakes: int = BACKLOG
    handshake_s: float = 10.0
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 75.0
    answer_s: float = 60.0
    close_s: float = 2.0
    first_s: float = 1.0
    head_bytes: int = 16 * 1024
    headers: int = 100
    held_bytes: int = 64 * MEBIBYTE
    unsent_bytes: int = 256 * MEBIBYTE


DEFAULT = Limits()


def within_descriptors(connections: int) -> tuple[int, int]:
    """Return the number of connections and the backlog that the file descriptors allow.

    The soft limit is raised as far as needed and allowed. The server may accept a whole backlog
    before it closes older connections, so the backlog needs descriptors as well.
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
