"""Child processes, and orphans, of the process that is PID 1 of a container."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

log = logging.getLogger(__name__)

RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and a child would ignore too."""


DISCARD = ((os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),)
"""Opens the standard output as the null device."""

NOT_FOUND = 127
"""The exit status of a shell for a program that it cannot run."""


class Child:
    """A child process. `ended` is its exit status; after a signal, its number with a minus sign."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def send(self, number: signal.Signals) -> None:
        """Send a signal unless the process has ended."""
        if not self.ended.done():
            os.kill(self.pid, number)


class Processes:
    """Starts processes and collects the exit status of every child, orphans included.

    PID 1 inherits the orphans of a container: they stay zombies until it collects their status.
    asyncio's subprocesses cannot be used, because they and the collection of orphans would take
    each other's exit statuses. Children that run at the end of the context are killed.
    """

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        self.first_end: asyncio.Future[Child] = asyncio.get_running_loop().create_future()

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, quiet: bool = False
    ) -> Child:
        """Start a program by its path; if it cannot be run, it has ended with status 127.

        The standard output of a quiet program is discarded.
        """
        try:
            # In a session of its own, so that Ctrl-C in a terminal reaches this process only.
            pid = os.posix_spawn(
                command[0],
                tuple(command),
                env,
                file_actions=DISCARD if quiet else (),
                setsid=True,
                setsigdef=RESTORED,
            )
        except OSError as error:
            log.error("%s: cannot run %s: %s", name, command[0], error.strerror)
            child = Child(name, 0)
            self._end(child, NOT_FOUND)
            return child
        child = self._children[pid] = Child(name, pid)
        return child

    def _collect(self) -> None:
        """Collect the exit status of every child that has ended."""
        # One SIGCHLD may stand for several children.
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                child = self._children.pop(found[0], None)
                if child is not None:
                    self._end(child, os.waitstatus_to_exitcode(found[1]))

    def _end(self, child: Child, status: int) -> None:
        child.ended.set_result(status)
        if not self.first_end.done():
            self.first_end.set_result(child)

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._collect)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        for child in self._children.values():
            child.send(signal.SIGKILL)
            self._end(child, os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]))
