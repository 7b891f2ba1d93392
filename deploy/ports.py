"""Finds ports of the loopback interface that stay ours, also against another `deploy/up`."""

import random
import socket
import sys
from collections.abc import Iterable
from contextlib import closing
from typing import Self

from deploy.failed import Failed

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the local ports of outgoing connections: one of those
# could otherwise sit on a port of ours while what listens there restarts.
QUIET = range(20_000, 30_000)


class Port:
    """A port that nobody listens on, and that no other machinist takes until `release`."""

    def __init__(self, number: int, host: str = LOOPBACK) -> None:
        """Reserve this port of an address of this machine; raises OSError when it is taken."""
        self.number = number
        self._host = host
        self._mark = socket.socket(socket.AF_UNIX)
        try:
            self._reserve()
        except OSError:
            self._mark.close()
            raise

    @classmethod
    def first_free(cls, candidates: Iterable[int], host: str = LOOPBACK) -> Self:
        tried = []
        for number in candidates:
            try:
                return cls(number, host)
            except OSError as error:
                tried.append(f"{number}: {error.strerror}")
        raise Failed(f"no free port on {host} ({', '.join(tried[:3])}): end what listens there")

    @classmethod
    def any_free(cls) -> Self:
        return cls.first_free(random.sample(QUIET, 100))

    def release(self) -> None:
        self._mark.close()

    def _reserve(self) -> None:
        # An abstract name belongs to one process, and goes with it, also at a kill -9.
        if sys.platform == "linux":
            self._mark.bind(f"\0machinist-port-{self.number}")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with closing(socket.socket(family)) as probe:
            # Connections of a former run that still linger are no reason to avoid a port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((self._host, self.number))
