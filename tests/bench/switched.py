"""A gateway or worker; SIGUSR1 switches its metrics and logs on, SIGUSR2 off.

`python -m tests.bench.switched gateway COUNT`, or `worker`. Two processes differ by up to 10 % in
CPU per request through their memory layout, so both sides of a comparison are one process. It
counts requests in the file COUNT, as a native 8-byte integer.
"""

import logging
import mmap
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from litestar.types import Receive, Scope, Send

from contracts.observation.audit import AuditMetrics
from gateway.__main__ import main as gateway
from gateway.http.server import OnRawPath
from gateway.metrics import Measured
from tests.bench.requests import MEMORY
from tests.bench.subjects import memory_worker
from worker.__main__ import main as worker
from worker.messages.replies import Replies
from worker.metrics import Metrics
from worker.providers import PROVIDERS

NO_RUN = nullcontext()


class Switch:
    """The state of metrics and logs.

    Functions ask it, because replacing them would empty the caches of the interpreter each time.
    """

    is_on = True

    def turn(self, number: int, _: Any) -> None:
        """Handle a signal."""
        self.is_on = number == signal.SIGUSR1
        logging.getLogger().setLevel(logging.INFO if self.is_on else logging.WARNING)


SWITCH = Switch()


def _switched(owner: type, name: str, off: Any = None) -> None:
    """Let a method do nothing, and return `off`, while the metrics are off."""
    work = getattr(owner, name)

    def switched(self: Any, *arguments: Any) -> Any:
        return work(self, *arguments) if SWITCH.is_on else off

    setattr(owner, name, switched)


def _switch_requests() -> None:
    work = Measured.__call__

    async def switched(self: Measured, scope: Scope, receive: Receive, send: Send) -> None:
        if SWITCH.is_on:
            await work(self, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    setattr(Measured, "__call__", switched)  # noqa: B010 - mypy


def _counted(file: Path, work: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    with file.open("r+b") as opened:
        count = memoryview(mmap.mmap(opened.fileno(), 8)).cast("Q")

    # Uvicorn takes an application that can be called without arguments for a factory.
    async def counted(self: Any, first: Any, second: Any, third: Any) -> None:
        await work(self, first, second, third)
        count[0] += 1

    return counted


def main(part: str, count: Path) -> None:
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, SWITCH.turn)
    _switched(Metrics, "run", NO_RUN)
    for name in ("started", "redelivered", "refused"):
        _switched(Metrics, name)
    _switched(AuditMetrics, "published")
    _switch_requests()
    if part == "gateway":
        setattr(OnRawPath, "__call__", _counted(count, OnRawPath.__call__))  # noqa: B010 - mypy
        gateway([])
    else:
        setattr(Replies, "send", _counted(count, Replies.send))  # noqa: B010 - mypy
        PROVIDERS[MEMORY] = memory_worker.open_memory
        worker([])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
