"""Runs `supervise` as the init process of its descendants, with programs from a JSON file.

`python -m tests.image.harness PROGRAMS`: SIGTERM requests the stop. A process of its own, because
the supervisor collects the exit status of every child.
"""

import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from deploy.image.all_in_one.supervisor import Program, supervise

PR_SET_CHILD_SUBREAPER = 36


async def run(rows: list[dict[str, Any]]) -> int:
    """Supervise until SIGTERM; every program gets this process's variables."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    programs = []
    for row in rows:
        command, greeting = tuple(row.pop("command")), row.pop("greeting", "").encode()
        programs.append(Program(**row, command=command, greeting=greeting, env=dict(os.environ)))
    return await supervise(programs, stop)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    sys.exit(asyncio.run(run(json.loads(Path(sys.argv[1]).read_text()))))


if __name__ == "__main__":
    main()
