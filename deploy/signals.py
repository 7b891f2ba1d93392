"""Turns the signals that ask a program to end into an exception, so that contexts close."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def held() -> Iterator[None]:
    """Raise only at the end what arrives inside: nothing that begins here is lost half begun."""
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
    """Let no further signal interrupt the stopping; it is bounded."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    ignore()
    raise Stopped(number)
