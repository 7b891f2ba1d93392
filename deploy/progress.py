"""Progress messages: one line each, with the seconds since the start."""

import time
from contextlib import suppress

from contracts.printable import BREAKS, printable


class Progress:
    """Prints the progress of one run."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, step: str, message: str) -> None:
        text = printable(message, BREAKS)  # may quote a platform or a broker
        print(f"{time.monotonic() - self._began:7.1f} s  {step:<8}  {text}", flush=True)

    def try_to_say(self, step: str, message: str) -> None:
        """Print a message, but ignore a closed terminal, which must not prevent the clean-up."""
        with suppress(OSError):
            self.say(step, message)
