"""Turns SIGINT, SIGTERM and SIGHUP into an exception, so that contexts close."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A request to end. Only the outermost code catches it, as with KeyboardInterrupt."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def listen() -> None:
    """Raise Stopped in the main thread when a signal arrives."""
    for number in ENDING:
        # nohup ignores SIGHUP, so that the program survives a closed terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)


@contextmanager
def deferred() -> Iterator[None]:
    """Defer signals to the end of the context, so that a process start is not interrupted."""
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    usual = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in usual.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    if arrived:
        _raise(arrived[0], None)


def ignore() -> None:
    """Ignore further signals during the clean-up, whose duration is bounded."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    ignore()
    raise Stopped(number)
