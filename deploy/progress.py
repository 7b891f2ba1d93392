"""Prints what happens while it happens: one line each, with the seconds since the start."""

import time
from contextlib import suppress

from contracts.printable import BREAKS, printable


class Progress:
    """The lines of one run."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, step: str, message: str) -> None:
        said = printable(message, BREAKS)  # platforms and brokers are quoted in it
        print(f"{time.monotonic() - self._began:7.1f} s  {step:<8}  {said}", flush=True)

    def say_if_heard(self, step: str, message: str) -> None:
        """Say it while stopping: a closed terminal must not keep us from ending the rest."""
        with suppress(OSError):
            self.say(step, message)
