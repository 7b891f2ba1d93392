"""Starts programs in order, runs them until one ends or a stop is requested, stops them."""

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.image.all_in_one.processes import Child, Processes
from deploy.ports import LOOPBACK

log = logging.getLogger(__name__)

POLL_S = 0.05
ANSWER_S = 5


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program to supervise.

    The next program is started when `port` of the loopback interface answers `greeting`, or after
    `start_s` seconds. After a stop request the program has until `stop_s` seconds to end; the count
    begins with the request, so the time that one program does not need is available to the next.
    The standard output of a quiet program is discarded.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    port: int | None = None
    greeting: bytes = b""
    start_s: float = 0
    stop_s: float
    quiet: bool = False


async def supervise(programs: Sequence[Program], stop: asyncio.Event) -> int:
    """Run the programs until `stop` is set or one of them ends; return the exit status.

    All are stopped at the end, the last one first. The status is 0 after a stop request; after the
    end of a program it is the program's, or 1 if that was 0 or a signal.
    """
    with Processes() as processes:
        running: list[tuple[Program, Child]] = []
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(_start(programs, processes, running))
            stopping = group.create_task(stop.wait())
            either = (stopping, processes.first_end)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            starting.cancel()
            stopping.cancel()
        ended = None if stop.is_set() else processes.first_end.result()
        if ended is None:
            log.info("stopping")
        else:
            log.error("%s ended with status %d: stopping", ended.name, ended.ended.result())
        await _stop(running)
        return 0 if ended is None else max(ended.ended.result(), 1)


async def _start(
    programs: Sequence[Program], processes: Processes, running: list[tuple[Program, Child]]
) -> None:
    for program in programs:
        child = processes.start(program.name, program.command, program.env, quiet=program.quiet)
        running.append((program, child))
        log.info("%s: started, process %d", program.name, child.pid)
        if program.port is not None:
            await _until_ready(program, program.port)


async def _until_ready(program: Program, port: int) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + program.start_s
    while not await asyncio.to_thread(_answers, port, program.greeting):
        if loop.time() > until:
            log.warning("%s: not ready after %g s, going on", program.name, program.start_s)
            return
        await asyncio.sleep(POLL_S)
    log.info("%s: ready", program.name)


def _answers(port: int, greeting: bytes) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=ANSWER_S) as connection:
            connection.sendall(greeting)
            return bool(connection.recv(1))
    except OSError:
        return False


async def _stop(running: Sequence[tuple[Program, Child]]) -> None:
    requested = asyncio.get_running_loop().time()
    for program, child in reversed(running):
        child.send(signal.SIGTERM)
        try:
            async with asyncio.timeout_at(requested + program.stop_s):
                status = await asyncio.shield(child.ended)
        except TimeoutError:
            log.warning("%s: did not end in time, killed", program.name)
            child.send(signal.SIGKILL)
            status = await child.ended
        log.info("%s: ended with status %d", program.name, status)
