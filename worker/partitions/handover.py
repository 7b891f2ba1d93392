"""The hand-over of a partition: windows in which no command starts, so that it can be left."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from worker.partitions.holdings import Holdings

RELEASE_S = 1.0


class Partition(Protocol):
    """The part of a partition that its hand-over uses."""

    @property
    def is_consuming(self) -> bool:
        """True while the partition has a channel that is not being closed."""

    def leave(self) -> None:
        """Close the channel, so that the broker redelivers held commands, and consume again."""


class Handover:
    """Decides when commands start, and when the partition is left."""

    def __init__(self, partition: Partition, holdings: Holdings) -> None:
        self._partition = partition
        self._holdings = holdings
        self._gate = asyncio.Event()  # not set: no further command starts
        self._window: asyncio.TimerHandle | None = None  # the next change of the gate
        self._patient_until = float("inf")
        self.is_stopping = False

    @property
    def is_open(self) -> bool:
        """True if commands may start."""
        return self._gate.is_set()

    async def opened(self) -> None:
        """Wait until commands may start."""
        await self._gate.wait()

    def open(self) -> None:
        """Let commands start."""
        self._gate.set()

    def close(self) -> None:
        """Let no further command start."""
        self._gate.clear()

    def release(self) -> None:
        """Start no command for RELEASE_S, and leave if all running commands end in that time.

        A partition with redelivered commands is not left: at the next owner they would wait again,
        with one more redelivery counted.
        """
        if not self._is_kept():
            self._gate.clear()
            self.leave_if_asked()
        self._then(self._reopen)

    def stop(self, patience_s: float) -> None:
        """Leave permanently as soon as no command runs; another worker runs the waiting ones.

        A command that runs for longer than RELEASE_S delays the hand-over, and other commands
        start meanwhile: waiting for its end, they could miss their deadlines. Redelivered commands
        delay it for at most `patience_s`.
        """
        self.is_stopping = True
        self._patient_until = asyncio.get_running_loop().time() + patience_s
        self.release()

    def leave_if_asked(self) -> None:
        """Leave if the partition is released or stopping, and no command runs."""
        is_asked = self.is_stopping or not self._gate.is_set()
        if is_asked and not self._holdings.has_begun and not self._is_kept():
            self._partition.leave()

    def _reopen(self) -> None:
        if not self._partition.is_consuming:
            return
        self._gate.set()
        if self.is_stopping:
            self._then(self.release)

    def _then(self, change: Callable[[], None]) -> None:
        """Plan the next change of the gate, in place of another that is planned."""
        if self._window is not None:
            self._window.cancel()
        self._window = asyncio.get_running_loop().call_later(RELEASE_S, change)

    def _is_kept(self) -> bool:
        """Tell whether redelivered commands keep the partition."""
        is_patient = asyncio.get_running_loop().time() < self._patient_until
        return self._holdings.has_redelivered and is_patient
