"""Reserves ports of the loopback interface, also against another `deploy/up`."""

import random
import socket
import sys
from collections.abc import Iterable
from contextlib import closing
from typing import Self

from deploy.failed import Failed

LOOPBACK = "127.0.0.1"

# Below the ephemeral ports: an outgoing connection could otherwise take a reserved port while its
# server restarts.
NOT_EPHEMERAL = range(20_000, 30_000)


class Port:
    """A port without a listener, which no other machinist takes until `release`."""

    def __init__(self, number: int, host: str = LOOPBACK) -> None:
        """Reserve the port. Raises OSError if it is in use."""
        self.number = number
        self._host = host
        self._reservation = socket.socket(socket.AF_UNIX)
        try:
            self._reserve()
        except OSError:
            self._reservation.close()
            raise

    @classmethod
    def first_free(cls, candidates: Iterable[int], host: str = LOOPBACK) -> Self:
        tried = []
        for number in candidates:
            try:
                return cls(number, host)
            except OSError as error:
                tried.append(f"{number}: {error.strerror}")
        raise Failed(f"no free port on {host} ({', '.join(tried[:3])}): stop the process there")

    @classmethod
    def any_free(cls) -> Self:
        return cls.first_free(random.sample(NOT_EPHEMERAL, 100))

    def release(self) -> None:
        self._reservation.close()

    def _reserve(self) -> None:
        # An abstract socket name belongs to one process and disappears with it, even after SIGKILL.
        if sys.platform == "linux":
            self._reservation.bind(f"\0machinist-port-{self.number}")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with closing(socket.socket(family)) as probe:
            # Connections of an earlier run in TIME_WAIT do not make a port unusable.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((self._host, self.number))
