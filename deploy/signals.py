"""Turns the signals that ask a program to end into an exception, so that contexts close."""

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody wants us to end; like KeyboardInterrupt, nothing but the outermost code stops it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def listen() -> None:
    """Raise Stopped in the main thread when a signal asks us to end."""
    for number in ENDING:
        # nohup means it: a closed terminal is then no reason to end.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)


def ignore() -> None:
    """Let no further signal interrupt the stopping; it is bounded."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    ignore()
    raise Stopped(number)
